"""The values of a tensor in the message itself, in the one field that is for its datatype."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.signature import BYTES
from services.serving import texts
from services.serving.refusals import wrong
from services.serving.v2_heads import Head

FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}
"""As the protocol has it; FP16 and BF16 have none."""

WIDE = {"i": np.int64, "u": np.uint64}


def read(one: Head) -> NDArray[Any]:
    """The input's array. Raises `Invalid` that names the tensor."""
    values = _values(one)
    if one.datatype == BYTES:
        texts.check_count(one.spec.name, one.count)
        return texts.checked(texts.array_of(values, one.shape), one.spec.name)
    wide = WIDE.get(one.spec.dtype.kind)
    if wide is None:
        return np.array(values, one.spec.dtype).reshape(one.shape)
    return _narrowed(np.array(values, wide), one).reshape(one.shape)


def elements(one: Head) -> list[bytes]:
    """Those of a tensor of BYTES, as they are. Raises `Invalid` that names the tensor."""
    return list(_values(one))


def _values(one: Head) -> Sequence[Any]:
    name = one.spec.name
    field = FIELDS.get(one.datatype)
    if field is None:
        raise wrong(name, f"expected {one.datatype} as raw_input_contents, got contents")
    given = [found.name for found, _ in one.data.ListFields() if found.name != field]
    if given:
        raise wrong(name, f"expected {one.datatype} in {field}, got {', '.join(given)}")
    values: Sequence[Any] = getattr(one.data, field)
    if len(values) != one.count:
        raise wrong(
            name,
            f"expected {one.count} values in {field} for shape {list(one.shape)}, "
            f"got {len(values)}",
        )
    return values


def _narrowed(array: NDArray[Any], one: Head) -> NDArray[Any]:
    """To the datatype; a number that it cannot hold is refused, not wrapped."""
    bounds = np.iinfo(one.spec.dtype)
    for value in (array.min(initial=0), array.max(initial=0)):
        if not bounds.min <= int(value) <= bounds.max:
            raise wrong(
                one.spec.name,
                f"expected {one.datatype} values, {bounds.min} to {bounds.max}, got {value}",
            )
    return array.astype(one.spec.dtype, copy=False)
