"""Tensors as raw bytes, as the binary tensor extension and gRPC carry them.

Numbers lie there as they do in memory, little-endian. An element of BYTES is its length in four
bytes, and then itself. BF16, which numpy does not know, is the upper half of a float32.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.signature import BYTES, DATATYPES, TensorSpec
from services.serving import texts
from services.serving.refusals import wrong

BF16 = "BF16"
HALVES = ("FP16", BF16)
"""What may come in place of FP32: each of their values is one of FP32's, so widening is exact."""

ITEM_BYTES = {name: dtype.itemsize for name, dtype in DATATYPES.items()} | {BF16: 2}
"""By datatype; an element of BYTES has no size of its own."""

LENGTH_BYTES = 4


def takes(spec: TensorSpec, datatype: str) -> bool:
    """Whether the input may come as raw bytes of `datatype`."""
    return datatype == spec.datatype or (spec.datatype == "FP32" and datatype in HALVES)


def check_size(name: str, datatype: str, shape: Sequence[int], count: int, size: int) -> None:
    """Whether `size` bytes are `count` elements, as far as that can be known unread.

    Raises `Invalid` that names the tensor.
    """
    if datatype == BYTES:
        texts.check_count(name, count)
        least, more = count * LENGTH_BYTES, "at least "
    else:
        least, more = count * ITEM_BYTES[datatype], ""
    if size < least or (size > least and not more):
        raise wrong(
            name,
            f"expected {more}{least} bytes for shape {list(shape)} of {datatype}, got {size}",
        )


def read(
    raw: bytes, offset: int, size: int, *, spec: TensorSpec, datatype: str, count: int
) -> NDArray[Any]:
    """`count` elements, flat and in the model's own datatype, out of `size` bytes of `raw`, which
    `check_size` has found right, from `offset` on. Raises `Invalid` that names the tensor."""
    if datatype == BYTES:
        found = elements(raw[offset : offset + size], spec.name, count)
        return texts.checked(found, spec.name)
    if datatype == "BOOL":  # any byte but 0 is true, and has to become 1
        return np.frombuffer(raw, np.uint8, count, offset) != 0
    if datatype == BF16:
        return widened(np.frombuffer(raw, np.uint16, count, offset))
    array: NDArray[Any] = np.frombuffer(raw, DATATYPES[datatype], count, offset)
    return array if datatype == spec.datatype else array.astype(spec.dtype)


def widened(halves: NDArray[np.uint16]) -> NDArray[np.float32]:
    """BF16 to float32."""
    return (halves.astype(np.uint32) << 16).view(np.float32)


def elements(raw: bytes, name: str, count: int) -> NDArray[Any]:
    """The elements of BYTES, flat. Raises `Invalid` that names the tensor."""
    found: list[bytes] = []
    at = 0
    for index in range(count):
        start = at + LENGTH_BYTES
        at = start + int.from_bytes(raw[at:start], "little")
        if at > len(raw):
            raise wrong(
                name,
                f"expected {count} elements of BYTES in {len(raw)} bytes, got their end in "
                f"element {index}",
            )
        found.append(raw[start:at])
    if at != len(raw):
        raise wrong(
            name, f"expected {count} elements of BYTES, got {len(raw) - at} bytes behind the last"
        )
    return texts.array_of(found, (count,))


def write(array: NDArray[Any], datatype: str) -> bytes:
    """The raw bytes of an output."""
    if datatype == BYTES:
        return b"".join(
            len(element).to_bytes(LENGTH_BYTES, "little") + element for element in array.reshape(-1)
        )
    if sys.byteorder == "big":
        array = array.astype(array.dtype.newbyteorder("<"))
    return array.tobytes()
