"""The input tensors of a v2 request: numbers in the JSON, or raw bytes behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import simdjson
from numpy.typing import NDArray

from models.signature import TensorSpec
from services.serving import tensors
from services.serving.errors import Unsupported
from services.serving.v2_fields import Fields, fields_of, invalid, kind, parameters_of
from services.serving.versions import ServedVersion

MAX_DIMENSIONS = 32


@dataclass(slots=True)
class _Tensor:
    """An input as its head describes it."""

    spec: TensorSpec
    shape: tuple[int, ...]
    count: int
    data: Any
    binary_size: int | None


@dataclass(slots=True)
class _Raw:
    """The body, of which the bytes up to `offset` have been read."""

    body: bytes
    offset: int


def read_inputs(
    document: Fields, body: bytes, head_size: int, served: ServedVersion
) -> tuple[Mapping[str, NDArray[Any]], int]:
    """→ the arrays by name, and how many rows each has. Raises `Invalid` that names the tensor.

    The JSON is the first `head_size` bytes of `body`.
    """
    heads = _heads(document.get("inputs"), served)
    rows = _row_count(heads)
    found = body.count(b"[", 0, head_size)
    nothing_hidden = found == _bracket_count(heads, document)
    raw = _Raw(body, head_size)
    arrays = {one.spec.name: _array(one, raw, nothing_hidden) for one in heads}
    if raw.offset != len(body):
        raise invalid(
            "body",
            f"expected {raw.offset - head_size} bytes of tensors behind the JSON, "
            f"got {len(body) - head_size}",
        )
    return arrays, rows


def _heads(inputs: Any, served: ServedVersion) -> list[_Tensor]:
    if not isinstance(inputs, simdjson.Array):
        raise invalid("inputs", f"expected a list of tensors, got {kind(inputs)}")
    heads: list[_Tensor] = []
    for tensor in inputs:
        one = _head(tensor, served)
        if any(one.spec is other.spec for other in heads):
            raise tensors.wrong(one.spec.name, "expected once, got it twice")
        heads.append(one)
    if len(heads) != len(served.inputs):
        given = {one.spec.name for one in heads}
        missing = next(name for name in served.inputs if name not in given)
        raise tensors.wrong(missing, "expected in the request, got none")
    return heads


def _head(tensor: Any, served: ServedVersion) -> _Tensor:
    fields = fields_of(tensor, "inputs that are tensors")
    name = fields.get("name")
    spec = served.inputs.get(name) if isinstance(name, str) else None
    if spec is None:
        got = repr(name[:64]) if isinstance(name, str) else kind(name)
        raise invalid("inputs", f"expected inputs {', '.join(served.inputs)}, got {got}")
    datatype = fields.get("datatype")
    if datatype != spec.datatype:
        got = repr(datatype[:16]) if isinstance(datatype, str) else kind(datatype)
        raise tensors.wrong(spec.name, f"expected datatype {spec.datatype}, got {got}")
    shape = _shape(fields.get("shape"), spec)
    count = tensors.check_shape(spec, shape)
    parameters = parameters_of(fields, f"input {spec.name!r}")
    return _Tensor(spec, shape, count, fields.get("data"), _binary_size(parameters, spec))


def _shape(shape: Any, spec: TensorSpec) -> tuple[int, ...]:
    if not isinstance(shape, simdjson.Array):
        raise tensors.wrong(spec.name, f"expected shape {list(spec.shape)}, got {kind(shape)}")
    if len(shape) > MAX_DIMENSIONS:
        raise tensors.wrong(
            spec.name, f"expected shape {list(spec.shape)}, got {len(shape)} dimensions"
        )
    sizes: tuple[Any, ...] = tuple(shape)
    for size in sizes:
        if type(size) is not int or size < 0:
            got = size if type(size) is int else kind(size)
            raise tensors.wrong(spec.name, f"expected integers from 0 in its shape, got {got}")
    return sizes


def _binary_size(parameters: Fields, spec: TensorSpec) -> int | None:
    if "shared_memory_region" in parameters:
        raise Unsupported(f"input {spec.name!r}: shared memory is not supported")
    size = parameters.get("binary_data_size")
    if size is not None and (type(size) is not int or size < 0):
        raise tensors.wrong(spec.name, "expected binary_data_size as an integer from 0")
    return size


def _array(one: _Tensor, raw: _Raw, nothing_hidden: bool) -> NDArray[Any]:
    if one.binary_size is not None:
        if one.data is not None:
            raise tensors.wrong(one.spec.name, "expected data or binary_data_size, got both")
        return _raw_array(one, one.binary_size, raw)
    if not isinstance(one.data, simdjson.Array):
        raise tensors.wrong(
            one.spec.name, f"expected data as a list, or binary_data_size, got {kind(one.data)}"
        )
    return tensors.from_json(one.data, one.spec, one.shape, nothing_hidden=nothing_hidden)


def _raw_array(one: _Tensor, size: int, raw: _Raw) -> NDArray[Any]:
    dtype = one.spec.dtype
    count = one.count
    if size != count * dtype.itemsize:
        raise tensors.wrong(
            one.spec.name,
            f"expected {count * dtype.itemsize} bytes for shape {list(one.shape)} of "
            f"{one.spec.datatype}, got binary_data_size {size}",
        )
    left = len(raw.body) - raw.offset
    if size > left:
        raise tensors.wrong(one.spec.name, f"expected {size} bytes behind the JSON, got {left}")
    if dtype.kind == "b":
        array = np.frombuffer(raw.body, np.uint8, count, raw.offset) != 0
    else:
        array = np.frombuffer(raw.body, dtype, count, raw.offset)
    raw.offset += size
    return array.reshape(one.shape)


def _row_count(heads: Sequence[_Tensor]) -> int:
    first = heads[0]
    for one in heads:
        if one.shape[0] != first.shape[0]:
            raise tensors.wrong(
                one.spec.name,
                f"expected {first.shape[0]} rows as in {first.spec.name!r}, got {one.shape[0]}",
            )
    return first.shape[0]


def _bracket_count(heads: Sequence[_Tensor], document: Fields) -> int:
    """How many `[` the JSON should have: the list of inputs, of outputs, shapes and data."""
    count = 1 + len(heads) + ("outputs" in document)
    for one in heads:
        if isinstance(one.data, simdjson.Array):
            count += tensors.brackets(one.data, one.shape)
    return count
