"""CSV with a header to the rows of a tabular model."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.decimals import is_number
from models.signature import BYTES, TensorSpec
from services.errors import FieldError, Invalid
from services.serving.versions import ServedVersion

MAX_NAMED = 16
"""Columns that a message tells; a wide table has more than anybody would read."""


def parse(body: bytes, served: ServedVersion) -> tuple[dict[str, NDArray[Any]], int]:
    """→ the array by input name, and how many rows.

    Columns are found by their names where the model knows them, whatever their order, and taken
    as they come where it does not. Raises `Invalid` that names the line and the column.
    """
    spec = _table_spec(served)
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except UnicodeDecodeError as error:
        raise _invalid(f"expected UTF-8, got another encoding at byte {error.start}") from None
    except csv.Error as error:
        raise _invalid(f"expected CSV, got lines that cannot be read: {error}") from None
    header = _header(lines, spec)
    rows = [_row(number, header, cells, spec) for number, cells in enumerate(lines[1:], 2) if cells]
    array = np.array(rows, dtype=np.float64).reshape(len(rows), len(header))
    if spec.columns is not None:
        array = array[:, [header.index(name) for name in spec.columns]]
    return {spec.name: array.astype(spec.dtype)}, len(rows)


def _table_spec(served: ServedVersion) -> TensorSpec:
    spec = served.signature.inputs[0]
    if len(served.signature.inputs) != 1 or len(spec.row_shape) != 1 or spec.datatype == BYTES:
        raise Invalid(
            f"{served.name} version {served.version} takes no tables: its input {spec.name!r} is "
            f"{spec.datatype} of shape {list(spec.shape)}",
            code="invalid_input",
        )
    return spec


def _header(lines: list[list[str]], spec: TensorSpec) -> list[str]:
    header = lines[0] if lines else []
    if not header or all(is_number(cell) for cell in header):
        raise _invalid("expected a first line with the names of the columns")
    if spec.columns is not None:
        return _named(header, spec.columns)
    width = spec.row_shape[0]
    if width not in (-1, len(header)):
        raise _invalid(f"expected {width} columns, got {len(header)}")
    return header


def _named(header: list[str], columns: tuple[str, ...]) -> list[str]:
    """The header, if it has each of the model's columns once and no other."""
    header = [name.strip() for name in header]
    for problem, names in (
        ("missing", [name for name in columns if name not in header]),
        ("unknown", [name for name in header if name not in columns]),
        ("repeated", [name for name in columns if header.count(name) > 1]),
    ):
        if names:
            expected = ", ".join(columns[:MAX_NAMED])
            raise _invalid(f"expected the columns {expected}, got {problem} {names[0][:64]!r}")
    return header


def _row(number: int, header: list[str], cells: list[str], spec: TensorSpec) -> list[float]:
    if len(cells) != len(header):
        raise _invalid(f"line {number}: expected {len(header)} cells, got {len(cells)}")
    return [_value(number, name, cell, spec) for name, cell in zip(header, cells, strict=True)]


def _value(number: int, column: str, cell: str, spec: TensorSpec) -> float:
    value = float(cell) if is_number(cell) else None
    if value is None or not _holds(spec.dtype, value):
        raise _invalid(
            f"line {number}, column {column[:64]!r}: expected {spec.datatype}, got {cell[:32]!r}"
        )
    return value


def _holds(dtype: np.dtype[Any], value: float) -> bool:
    """Whether the datatype has the number; integers as far as a double counts them exactly."""
    if dtype.kind == "f":
        return abs(value) <= float(np.finfo(dtype).max)
    if dtype.kind == "b":
        return value in (0, 1)
    bounds = np.iinfo(dtype)
    return value.is_integer() and abs(value) <= 2**53 and bounds.min <= value <= bounds.max


def _invalid(message: str) -> Invalid:
    return Invalid(
        f"the table cannot be used: {message}",
        code="invalid_input",
        errors=(FieldError("body", message),),
    )
