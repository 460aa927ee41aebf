"""What the JSON of a v2 request says about each input: name, datatype, shape, where its data is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import simdjson

from models.signature import BYTES, TensorSpec
from services.serving import images, tensors, v2_pictures, wire
from services.serving.errors import Unsupported
from services.serving.refusals import wrong
from services.serving.v2_fields import Fields, fields_of, invalid, kind, parameters_of
from services.serving.versions import ServedVersion

MAX_DIMENSIONS = 32


@dataclass(slots=True)
class Head:
    """An input as it is announced; the model can take it."""

    spec: TensorSpec
    datatype: str
    """As it comes: the model's own, or one that can stand for it."""
    shape: tuple[int, ...]
    count: int
    """Of its elements."""
    data: Any
    binary_size: int | None

    @property
    def is_pictures(self) -> bool:
        return self.datatype == BYTES != self.spec.datatype


def read_heads(inputs: Any, served: ServedVersion) -> list[Head]:
    """One for each of the model's inputs, in the order of the request. Raises `Invalid`."""
    if not isinstance(inputs, simdjson.Array):
        raise invalid("inputs", f"expected a list of tensors, got {kind(inputs)}")
    heads: list[Head] = []
    for tensor in inputs:
        one = _head(tensor, served)
        if any(one.spec is other.spec for other in heads):
            raise wrong(one.spec.name, "expected once, got it twice")
        heads.append(one)
    if len(heads) != len(served.inputs):
        given = {one.spec.name for one in heads}
        missing = next(name for name in served.inputs if name not in given)
        raise wrong(missing, "expected in the request, got none")
    return heads


def row_count(heads: Sequence[Head]) -> int:
    """How many rows each has; an `Invalid` names the one that has not as many as the first."""
    first = heads[0]
    for one in heads:
        if one.shape[0] != first.shape[0]:
            raise wrong(
                one.spec.name,
                f"expected {first.shape[0]} rows as in {first.spec.name!r}, got {one.shape[0]}",
            )
    return first.shape[0]


def _head(tensor: Any, served: ServedVersion) -> Head:
    fields = fields_of(tensor, "inputs that are tensors")
    name = fields.get("name")
    spec = served.inputs.get(name) if isinstance(name, str) else None
    if spec is None:
        got = repr(name[:64]) if isinstance(name, str) else kind(name)
        raise invalid("inputs", f"expected inputs {', '.join(served.inputs)}, got {got}")
    datatype = _datatype(fields.get("datatype"), spec, served)
    shape = _shape(fields.get("shape"), spec)
    if datatype == BYTES != spec.datatype:
        count = v2_pictures.check_shape(spec, shape)
    else:
        count = tensors.check_shape(spec, shape)
    parameters = parameters_of(fields, f"input {spec.name!r}")
    size = _binary_size(parameters, spec)
    return Head(spec, datatype, shape, count, fields.get("data"), size)


def _datatype(value: Any, spec: TensorSpec, served: ServedVersion) -> str:
    if value == spec.datatype:
        return spec.datatype
    if isinstance(value, str):
        if wire.takes(spec, value) or (value == BYTES and images.spec_of(served) is not None):
            return value
        value = repr(value[:16])
    else:
        value = kind(value)
    raise wrong(spec.name, f"expected datatype {spec.datatype}, got {value}")


def _shape(shape: Any, spec: TensorSpec) -> tuple[int, ...]:
    if not isinstance(shape, simdjson.Array):
        raise wrong(spec.name, f"expected shape {list(spec.shape)}, got {kind(shape)}")
    if len(shape) > MAX_DIMENSIONS:
        raise wrong(spec.name, f"expected shape {list(spec.shape)}, got {len(shape)} dimensions")
    sizes: tuple[Any, ...] = tuple(shape)
    for size in sizes:
        if type(size) is not int or size < 0:
            got = size if type(size) is int else kind(size)
            raise wrong(spec.name, f"expected integers from 0 in its shape, got {got}")
    return sizes


def _binary_size(parameters: Fields, spec: TensorSpec) -> int | None:
    if "shared_memory_region" in parameters:
        raise Unsupported(f"input {spec.name!r}: shared memory is not supported")
    size = parameters.get("binary_data_size")
    if size is not None and (type(size) is not int or size < 0):
        got = size if type(size) is int else kind(size)
        raise wrong(spec.name, f"expected binary_data_size as an integer from 0, got {got}")
    return size
