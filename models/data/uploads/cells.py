"""What stands in a CSV's cells: numbers, and the column to predict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.data.base import DataTask
from models.data.uploads.content import LARGEST
from models.data.uploads.targets import MANY_VALUES, Place, Target, from_names, from_numbers
from models.data.uploads.text import shown
from models.decimals import is_number
from models.errors import RefusedUpload

MISSING = frozenset({"?", "-", "n/a", "na", "nan", "none", "null"})
"""What stands for a missing value among numbers; among words it may be a class."""


def number(cell: str, column: str, line: int, field: str = "file") -> float:
    """The cell's number, refused by its place where it is none that float32 can hold."""
    place = f"line {line}, column {shown(column)}"
    if not is_number(cell):
        got = shown(cell, 32) if cell.strip() else "an empty cell"
        raise RefusedUpload(f"{place}: expected a number, got {got}", field)
    value = float(cell)
    if abs(value) > LARGEST:
        raise RefusedUpload(f"{place}: expected what float32 can hold, got {value}", field)
    return value


def target_of(
    column: str, labels: Sequence[str], lines: Sequence[int], task: DataTask | None
) -> Target:
    """What the cells `labels` of `column`, one in each of `lines`, stand for."""
    place = Place(f"column {shown(column)}", "target")
    if "" in labels:
        line = lines[labels.index("")]
        message = f"line {line}, {place.name}: expected a class or a number, got an empty cell"
        raise RefusedUpload(message, "target")
    if task == "regression" or _are_numbers(labels, task):
        cells = zip(labels, lines, strict=True)
        values = [number(cell, column, line, "target") for cell, line in cells]
        return from_numbers(np.array(values), task, place)
    return from_names(labels, task, place)


def _are_numbers(labels: Sequence[str], task: DataTask | None) -> bool:
    """Whether the column is one of numbers, where text is no class but a slip."""
    distinct = set(labels)
    words = {label for label in distinct if not is_number(label)}
    numbers = len(distinct) - len(words)
    if numbers and all(word.casefold() in MISSING for word in words):
        return True
    return task is None and numbers > max(MANY_VALUES, len(words))
