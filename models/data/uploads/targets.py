"""What a model is to say of each row: classes, numbers or masks, told apart by the values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.base import DataTask
from models.data.uploads.text import problem_of, shown
from models.errors import RefusedUpload

MIN_ROWS = 10
"""Below that, a fifth held out is too few rows to say anything."""

MIN_OF_A_CLASS = 2
"""One to learn from and one to be tested on."""

MANY_VALUES = 20
"""Whole numbers with more different values than this are a quantity; with fewer, classes."""

MAX_CLASSES = 1000
EXACT = 2**53
"""The largest whole numbers that a double counts one by one."""


@dataclass(frozen=True)
class Target:
    task: DataTask
    values: NDArray[Any]
    """As `Dataset.targets`."""
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Place:
    """Where the target stands, for messages: `column 'price'`, `y`."""

    name: str
    field: str = "file"

    def refuse(self, message: str) -> RefusedUpload:
        return RefusedUpload(f"{self.name}: {message}", self.field)


def from_names(names: Sequence[str], task: DataTask | None, place: Place) -> Target:
    """Classes by name, in alphabetical order."""
    check_rows(len(names))
    classes = sorted(set(names))
    for name in classes:
        if (problem := problem_of(name)) is not None:
            raise place.refuse(problem)
    codes = {name: code for code, name in enumerate(classes)}
    return _classes(np.array([codes[name] for name in names]), classes, task, place)


def from_numbers(values: NDArray[Any], task: DataTask | None, place: Place) -> Target:
    """Classes in numerical order, or a quantity, by `task` or else by the values (rows,)."""
    check_rows(len(values))
    distinct, codes = np.unique(values, return_inverse=True)
    broken = _first_fraction(distinct)
    if task is None and (broken is not None or len(distinct) > MANY_VALUES):
        task = "regression"
    if task == "regression":
        return _quantity(values, len(distinct), place)
    if broken is not None:
        raise RefusedUpload(
            f"expected regression, because {place.name} has the value {broken}, got {task!r}",
            "task",
        )
    return _classes(codes, [str(int(value)) for value in distinct], task, place)


def check_rows(rows: int) -> None:
    if rows < MIN_ROWS:
        raise RefusedUpload(f"expected at least {MIN_ROWS} rows, got {rows}")


def _first_fraction(distinct: NDArray[Any]) -> float | None:
    """A value that cannot be a class, if there is one."""
    if distinct.dtype.kind in "iub":
        return None
    distinct = distinct.astype(np.float64)  # half precision cannot hold the limit
    fractions = distinct[(distinct != np.floor(distinct)) | (np.abs(distinct) > EXACT)]
    return float(fractions[0]) if len(fractions) else None


def _quantity(values: NDArray[Any], distinct: int, place: Place) -> Target:
    if distinct < 2:
        raise place.refuse(f"expected different values, got only {float(values[0])}")
    with np.errstate(over="ignore"):
        column = values.astype(np.float32)
    if not np.isfinite(column).all():
        row = int(np.flatnonzero(~np.isfinite(column))[0])
        raise place.refuse(f"row {row + 1}: expected what float32 can hold, got {values[row]}")
    return Target("regression", column[:, np.newaxis])


def _classes(
    codes: NDArray[np.int64], classes: Sequence[str], task: DataTask | None, place: Place
) -> Target:
    count = len(classes)
    if count < 2:
        raise place.refuse(f"expected at least two classes, got only {shown(classes[0])}")
    sizes = np.bincount(codes, minlength=count)
    rare = int(sizes.argmin())
    if sizes[rare] < MIN_OF_A_CLASS:
        got = f"{sizes[rare]} of {shown(classes[rare])}"
        raise place.refuse(f"expected at least {MIN_OF_A_CLASS} rows of each class, got {got}")
    if count > MAX_CLASSES:
        raise place.refuse(f"expected at most {MAX_CLASSES} classes, got {count}")
    task = task or ("binary" if count == 2 else "multiclass")
    if task not in {"binary", "multiclass"}:
        raise RefusedUpload(
            f"expected binary or multiclass, because {place.name} has classes, got {task!r}", "task"
        )
    if task == "binary" and count != 2:
        raise RefusedUpload(
            f"expected multiclass, because {place.name} has {count} classes, got 'binary'", "task"
        )
    return Target(task, codes.astype(np.int64), tuple(classes))
