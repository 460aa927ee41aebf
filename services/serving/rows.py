"""JSON rows of `/v1/…/predict`: `{"inputs": [row, …]}`.

A row is nested as the model's input is without its batch dimension; where a model has several
inputs, a row is an object that holds them by name. Sequences may have a length each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import simdjson
from numpy.typing import NDArray

from models.signature import TensorSpec
from services.serving import sequence_rows, tensors
from services.serving.json_document import parse_object
from services.serving.v2_fields import kind
from services.serving.versions import ServedVersion


def parse(body: bytes, served: ServedVersion) -> tuple[Mapping[str, NDArray[Any]], int]:
    """→ the arrays by input name, and how many rows. Raises `Invalid`."""
    document = parse_object(body)
    unknown = [name for name in document if name != "inputs"]
    if unknown:
        raise tensors.wrong_field(unknown[0][:64], "unknown field; expected inputs")
    rows = document.get("inputs")
    if not isinstance(rows, simdjson.Array):
        raise tensors.wrong_field("inputs", f"expected a list of rows, got {kind(rows)}")
    specs = served.signature.inputs
    if served.takes_sequences:
        return sequence_rows.parse(rows, specs[0]), len(rows)
    if len(specs) == 1:
        return {specs[0].name: _array(rows, specs[0])}, len(rows)
    columns = _columns(rows, specs)
    return {spec.name: _array(columns[spec.name], spec) for spec in specs}, len(rows)


def _array(rows: simdjson.Array, spec: TensorSpec) -> NDArray[Any]:
    shape = tensors.shape_of(rows)
    if shape == (0,):
        shape = (0, *(max(size, 1) for size in spec.row_shape))
    tensors.check_shape(spec, shape)
    return tensors.from_json(rows, spec, shape)


def _columns(rows: simdjson.Array, specs: tuple[TensorSpec, ...]) -> dict[str, simdjson.Array]:
    names = [spec.name for spec in specs]
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for index, row in enumerate(rows):
        if not isinstance(row, simdjson.Object):
            expected = f"an object with {', '.join(names)}"
            raise tensors.wrong_field(f"inputs.{index}", f"expected {expected}, got {kind(row)}")
        values = row.as_dict()
        if values.keys() != columns.keys():
            got = ", ".join(map(str, values))[:200] or "none"
            raise tensors.wrong_field(f"inputs.{index}", f"expected {', '.join(names)}, got {got}")
        for name in names:
            columns[name].append(values[name])
    return {name: _parsed(column) for name, column in columns.items()}


def _parsed(values: list[Any]) -> Any:
    return simdjson.Parser().parse(orjson.dumps(values))
