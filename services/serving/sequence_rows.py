"""JSON rows of a model of sequences: each as long as it is, padded here to the longest.

A row is its list of steps, or an object that holds it by name. Its `lengths`, how many of the steps
count, may be left out: then all of them do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import simdjson
from numpy.typing import NDArray

from models.signature import LENGTHS, TensorSpec
from services.serving import tensors
from services.serving.v2_fields import fields_of, kind


def parse(rows: simdjson.Array, spec: TensorSpec) -> Mapping[str, NDArray[Any]]:
    """→ the padded steps by the name of `spec`, and `lengths`. Raises `Invalid` that names the row
    and what is wrong with it."""
    counts = np.empty(len(rows), np.int64)
    steps: list[NDArray[Any]] = []
    for index, row in enumerate(rows):
        values, length = _fields(index, row, spec)
        steps.append(_steps(index, values, spec))
        counts[index] = _length(index, length, len(steps[-1]))
    longest = max(map(len, steps), default=1)
    shape = (len(rows), longest, *spec.row_shape[1:])
    tensors.check_shape(spec, shape)
    padded = np.zeros(shape, spec.dtype)
    for place, own in zip(padded, steps, strict=True):
        place[: len(own)] = own
    return {spec.name: padded, LENGTHS: counts}


def _fields(index: int, row: Any, spec: TensorSpec) -> tuple[Any, Any]:
    """→ the steps and the length of a row as they are in the JSON; None for no length."""
    if isinstance(row, simdjson.Array):
        return row, None
    if not isinstance(row, simdjson.Object):
        message = f"expected a list of steps, or an object with {spec.name}, got {kind(row)}"
        raise tensors.wrong_field(f"inputs.{index}", message)
    fields = fields_of(row, "rows that are objects")
    if spec.name not in fields or not fields.keys() <= {spec.name, LENGTHS}:
        got = ", ".join(fields)[:200] or "none"
        message = f"expected {spec.name}, and {LENGTHS} if not all steps count, got {got}"
        raise tensors.wrong_field(f"inputs.{index}", message)
    return fields[spec.name], fields.get(LENGTHS)


def _steps(index: int, values: Any, spec: TensorSpec) -> NDArray[Any]:
    """(steps, numbers)."""
    own = TensorSpec(f"{index}.{spec.name}", spec.datatype, spec.row_shape)
    shape = tensors.shape_of(values)
    if shape == (0,):
        raise tensors.wrong(own.name, "expected at least 1 step, got none")
    tensors.check_shape(own, shape)
    return tensors.from_json(values, own, shape)


def _length(index: int, length: Any, steps: int) -> int:
    if length is None:
        return steps
    if type(length) is not int or not 1 <= length <= steps:
        got = length if type(length) is int else kind(length)
        message = f"expected 1 to {steps}, the steps of its row, got {got}"
        raise tensors.wrong_field(f"inputs.{index}.{LENGTHS}", message)
    return length
