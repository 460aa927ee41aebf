"""Values in JSON to arrays of the model's datatype; nothing is wrapped or guessed in silence."""

from __future__ import annotations

from math import isqrt, prod
from typing import Any, Literal

import numpy as np
import simdjson
from numpy.typing import NDArray

from models.signature import BYTES, TensorSpec
from services.serving import nesting, texts
from services.serving.misfits import first_misfit
from services.serving.refusals import wrong, wrong_field

__all__ = ["check_shape", "from_json", "shape_of", "wrong", "wrong_field"]

MAX_DIMENSION = 2**31 - 1

MAX_PAIRS = 1 << 26
"""Pairs of steps in the rows of a request: attention compares each step with each and keeps all of
the results, 256 MB. So many are in 18,000 sequences of 60 steps, or in one of 8,192."""

MAX_DEPTH = 16

_BUFFERS: dict[str, tuple[Literal["d", "i", "u"], Any]] = {
    "f": ("d", np.float64),
    "i": ("i", np.int64),
    "u": ("u", np.uint64),
}
"""By kind of the model's datatype: how simdjson reads the numbers, without loss."""


def check_shape(spec: TensorSpec, shape: tuple[int, ...]) -> int:
    """→ how many numbers a tensor of `shape` has. Raises `Invalid` if the model cannot take it."""
    if not spec.accepts(shape):
        raise wrong(spec.name, f"expected shape {list(spec.shape)}, got {list(shape)}")
    if 0 in shape[1:]:
        raise wrong(
            spec.name, f"expected at least 1 in each dimension after the first, got {list(shape)}"
        )
    if max(shape) > MAX_DIMENSION:
        raise wrong(spec.name, f"expected dimensions up to {MAX_DIMENSION}, got {max(shape)}")
    if spec.has_steps and shape[0] * shape[1] ** 2 > MAX_PAIRS:
        most = isqrt(MAX_PAIRS // shape[0])
        raise wrong(spec.name, f"expected at most {most} steps of {shape[0]} rows, got {shape[1]}")
    return prod(shape)


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape as the first element of each list has it; whether the others agree is for
    `from_json` to see."""
    shape: list[int] = []
    while isinstance(value, simdjson.Array) and len(shape) <= MAX_DEPTH:
        shape.append(len(value))
        value = value[0] if len(value) else None
    return tuple(shape)


def from_json(
    data: simdjson.Array, spec: TensorSpec, shape: tuple[int, ...], *, nothing_hidden: bool = False
) -> NDArray[Any]:
    """An array of `shape`, which the spec accepts, out of `data`, flat or nested as the shape is.

    `nothing_hidden`: the caller has counted the brackets of the whole document and knows that
    there are no more arrays in it than there should be.
    """
    if spec.datatype == BYTES:
        return texts.from_json(data, spec.name, shape)
    array = _bools(data, spec) if spec.dtype.kind == "b" else _numbers(data, spec)
    if array.size != prod(shape):
        raise wrong(
            spec.name, f"expected {prod(shape)} values for shape {list(shape)}, got {array.size}"
        )
    if not nothing_hidden and (problem := nesting.problem(data, shape)):
        raise wrong(spec.name, problem)
    return array.reshape(shape)


def _numbers(data: simdjson.Array, spec: TensorSpec) -> NDArray[Any]:
    code, dtype = _BUFFERS[spec.dtype.kind]
    try:
        buffer: NDArray[Any] = np.frombuffer(data.as_buffer(of_type=code), dtype=dtype)
    except (TypeError, ValueError):
        raise wrong(spec.name, _not_numbers(data, spec)) from None
    if spec.dtype == buffer.dtype:
        return buffer
    return _narrowed(buffer, spec)


def _not_numbers(data: simdjson.Array, spec: TensorSpec) -> str:
    if spec.dtype.kind == "f":
        got = first_misfit(data, lambda value: type(value) in {int, float})
        return f"expected {spec.datatype} values, got {got or 'something that is no number'}"
    low, high = _bounds(spec)
    got = first_misfit(data, lambda value: type(value) is int and low <= value <= high)
    got = got or "something that is no such integer"
    return f"expected {spec.datatype} values, {low} to {high}, got {got}"


def _bounds(spec: TensorSpec) -> tuple[int, int]:
    info = np.iinfo(spec.dtype)
    return int(info.min), int(info.max)


def _narrowed(buffer: NDArray[Any], spec: TensorSpec) -> NDArray[Any]:
    """To the model's datatype; a number that it cannot hold is refused, not wrapped or made inf."""
    if spec.dtype.kind == "f":
        try:
            with np.errstate(over="raise"):
                return buffer.astype(spec.dtype)
        except FloatingPointError:
            largest = buffer[np.argmax(np.abs(buffer))]
            raise wrong(spec.name, f"expected {spec.datatype} values, got {largest:g}") from None
    if buffer.size:
        low, high = _bounds(spec)
        for value in (buffer.min(), buffer.max()):
            if not low <= int(value) <= high:
                raise wrong(
                    spec.name, f"expected {spec.datatype} values, {low} to {high}, got {value}"
                )
    return buffer.astype(spec.dtype)


def _bools(data: simdjson.Array, spec: TensorSpec) -> NDArray[Any]:
    values: list[Any] = data.as_list()
    flat: list[Any] = []
    while values:
        value = values.pop()
        if isinstance(value, list):
            values.extend(value)
        elif isinstance(value, bool):
            flat.append(value)
        else:
            got = first_misfit(data, lambda one: isinstance(one, bool)) or "something else"
            raise wrong(spec.name, f"expected BOOL values, got {got}")
    return np.array(flat[::-1], dtype=np.bool_)
