"""CSV: a header, columns of numbers, and one column to predict."""

from __future__ import annotations

import csv
import math
from array import array
from collections import Counter
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.data.uploads import profile
from models.data.uploads.cells import number, target_of
from models.data.uploads.content import LARGEST, Asked, Content, check_size
from models.data.uploads.targets import Target, check_rows
from models.data.uploads.text import listed, problem_of, shown
from models.decimals import is_number
from models.errors import RefusedUpload

if TYPE_CHECKING:
    from _csv import Reader

MAX_COLUMNS = 10_000


@dataclass
class _Table:
    """What has been read so far."""

    columns: list[str]
    """Without the target."""
    target: str
    position: int
    """Of the target in a line."""
    numbers: array[float] = field(default_factory=lambda: array("f"))
    """Row after row; four bytes each, as they are kept."""
    labels: list[str] = field(default_factory=list[str])
    lines: list[int] = field(default_factory=list[int])
    """Where each row ends: a quoted cell may have line breaks."""


def read(file: Path, asked: Asked) -> Content:
    with file.open("rb") as stream:
        reader = csv.reader(_lines(stream), strict=True)
        try:
            table = _header(next(reader, []), asked.target)
            _read_rows(reader, table)
        except csv.Error as error:
            raise RefusedUpload(f"line {reader.line_num}: expected CSV, got {error}") from None
    check_rows(len(table.lines))
    inputs = np.frombuffer(table.numbers, np.float32).reshape(len(table.lines), -1)
    target = target_of(table.target, table.labels, table.lines, asked.task)
    columns = [
        {"name": name, "type": "number", "missing": 0, "distinct": _distinct(column)}
        | profile.numbers(column)
        for name, column in zip(table.columns, inputs.T, strict=True)
    ]
    return Content(
        "uploaded CSV",
        inputs,
        target,
        table.target,
        {"columns": [*columns, _described(table.target, target)]},
        features=tuple(table.columns),
    )


def _lines(stream: Iterable[bytes]) -> Generator[str]:
    for count, line in enumerate(stream, 1):
        try:
            yield line.decode("utf-8-sig" if count == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise RefusedUpload(
                f"line {count}: expected UTF-8, got another encoding at its byte {error.start + 1}"
            ) from None


def _header(cells: list[str], target: str | None) -> _Table:
    names = [name.strip() for name in cells]
    if not names or all(is_number(name) for name in names):
        raise RefusedUpload("line 1: expected the names of the columns, got none")
    if not 2 <= len(names) <= MAX_COLUMNS:
        raise RefusedUpload(
            "line 1: expected a column to predict and one to "
            f"{MAX_COLUMNS - 1} others, separated by commas, got {len(names)}: {listed(names)}"
        )
    for position, name in enumerate(names, 1):
        if (problem := problem_of(name)) is not None:
            raise RefusedUpload(f"line 1, column {position}: {problem}")
    if len(set(names)) < len(names):
        twice = shown(Counter(names).most_common(1)[0][0])
        raise RefusedUpload(f"line 1: expected each column once, got {twice} more than once")
    if target is not None and target not in names:
        message = f"expected one of the columns {listed(names)}, got {shown(target)}"
        raise RefusedUpload(message, "target")
    position = len(names) - 1 if target is None else names.index(target)
    return _Table(names[:position] + names[position + 1 :], names[position], position)


def _read_rows(reader: Reader, table: _Table) -> None:
    width = len(table.columns) + 1
    for cells in reader:
        if not cells:  # an empty line
            continue
        line = reader.line_num
        if len(cells) != width:
            raise RefusedUpload(f"line {line}: expected {width} cells, got {len(cells)}")
        table.labels.append(cells.pop(table.position).strip())
        table.lines.append(line)
        table.numbers.extend(_numbers(cells, table.columns, line))
        check_size((len(table.lines), len(table.columns)), "upload fewer rows")


def _numbers(cells: list[str], columns: list[str], line: int) -> list[float]:
    text = "".join(cells)
    if text.isascii() and "_" not in text:
        try:
            values = list(map(float, cells))
        except ValueError:
            pass
        else:  # a sum tells NaN, which no comparison does
            if math.isfinite(sum(values)) and max(values) <= LARGEST and min(values) >= -LARGEST:
                return values
    return [number(cell, name, line) for cell, name in zip(cells, columns, strict=True)]


def _distinct(column: Any) -> int:
    return int(np.unique(column).size)


def _described(name: str, target: Target) -> dict[str, Any]:
    column = {"name": name, "missing": 0}
    if target.classes is not None:
        return {**column, "type": "class", "distinct": len(target.classes)}
    values = target.values
    return {**column, "type": "number", "distinct": _distinct(values), **profile.numbers(values)}
