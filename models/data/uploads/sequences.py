"""JSON lines: `{"sequence": [[f, …], …], "label": "x"}`, each of as many steps as it has."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson
from numpy.typing import NDArray

from models.data.uploads import profile
from models.data.uploads.content import LARGEST, Asked, Content, check_size
from models.data.uploads.targets import (
    EXACT,
    Place,
    Target,
    check_rows,
    from_names,
    from_numbers,
)
from models.data.uploads.text import listed, problem_of, shown
from models.errors import RefusedUpload

MAX_STEPS = 10_000
MAX_FEATURES = 10_000
MAX_LINE_BYTES = 16 << 20
FIELDS = {"sequence", "label"}

_NUMBERS = {int, float}


@dataclass(frozen=True)
class _Row:
    line: int
    steps: NDArray[np.float32]
    """(steps, features)."""
    label: str | int


def read(file: Path, asked: Asked) -> Content:
    rows = list(_rows(file))
    check_rows(len(rows))
    target = _target([row.label for row in rows], asked)
    lengths = np.array([len(row.steps) for row in rows], dtype=np.int64)
    shape = (len(rows), int(lengths.max()), rows[0].steps.shape[1])
    check_size(shape, "every sequence is padded to the longest; shorten it or upload fewer")
    inputs = np.zeros(shape, np.float32)
    for padded, row in zip(inputs, rows, strict=True):
        padded[: len(row.steps)] = row.steps
    steps = np.concatenate([row.steps for row in rows])
    numbers = [profile.numbers(column) for column in steps.T]
    return Content(
        "uploaded sequences",
        inputs,
        target,
        "label",
        {"lengths": profile.numbers(lengths), "features": numbers},
        lengths=lengths,
    )


def _rows(file: Path) -> Generator[_Row]:
    features: int | None = None
    number = 0
    with file.open("rb") as stream:
        while line := stream.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise _refusal(number, f"expected at most {MAX_LINE_BYTES} bytes, got more")
            if not line.strip():
                continue
            row = _row(number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
            features = features or row.steps.shape[1]
            if row.steps.shape[1] != features:
                raise _refusal(
                    number,
                    f"expected steps of {features} numbers, as in the lines before, got "
                    f"{row.steps.shape[1]}",
                )
            yield row


def _row(line: int, text: bytes) -> _Row:
    try:
        value: Any = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _refusal(line, f"expected JSON, got {error.msg}") from None
    if not isinstance(value, dict):
        raise _refusal(line, 'expected an object {"sequence": …, "label": …}, got another value')
    fields = cast("dict[str, Any]", value)
    if fields.keys() != FIELDS:
        got = listed(map(shown, fields)) or "none"
        raise _refusal(line, f"expected the fields 'sequence' and 'label', got {got}")
    return _Row(line, _steps(line, fields["sequence"]), _label(line, fields["label"]))


def _label(line: int, label: Any) -> str | int:
    if type(label) is int:
        if abs(label) > EXACT:
            raise _refusal(line, f"field 'label': expected at most {EXACT}, got {label}")
        return label
    if not isinstance(label, str):
        raise _refusal(line, "field 'label': expected text or a whole number, got another value")
    if (problem := problem_of(label)) is not None:
        raise _refusal(line, f"field 'label': {problem}")
    return label


def _steps(line: int, sequence: Any) -> NDArray[np.float32]:
    if not isinstance(sequence, list) or not sequence:
        raise _refusal(line, "field 'sequence': expected a list of steps, got none")
    steps = cast("list[Any]", sequence)
    if len(steps) > MAX_STEPS:
        raise _refusal(
            line, f"field 'sequence': expected at most {MAX_STEPS} steps, got {len(steps)}"
        )
    if not isinstance(steps[0], list):
        steps = [[step] for step in steps]
    width = len(cast("list[Any]", steps[0]))
    if not 1 <= width <= MAX_FEATURES:
        raise _refusal(line, f"step 1: expected 1 to {MAX_FEATURES} numbers, got {width}")
    for number, step in enumerate(steps, 1):
        _check_step(line, number, step, width)
    return np.array(steps, dtype=np.float32)


def _check_step(line: int, number: int, step: Any, width: int) -> None:
    place = f"step {number}"
    if not isinstance(step, list):
        raise _refusal(line, f"{place}: expected a list of {width} numbers, got {_got(step)}")
    values = cast("list[Any]", step)
    if len(values) != width:
        raise _refusal(line, f"{place}: expected {width} numbers, got {len(values)}")
    for value in values:
        if type(value) not in _NUMBERS:
            raise _refusal(line, f"{place}: expected a number, got {_got(value)}")
        if not -LARGEST <= value <= LARGEST:
            raise _refusal(line, f"{place}: expected what float32 can hold, got {value}")


def _got(value: Any) -> str:
    """JSON's word for it, and short text itself."""
    if isinstance(value, str):
        return shown(value, 32)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return {list: "a list", dict: "an object"}.get(type(value), "a number")


def _target(labels: list[str | int], asked: Asked) -> Target:
    place = Place("the labels")
    if asked.task not in (None, "binary", "multiclass"):
        message = f"expected binary or multiclass for sequences, got {asked.task!r}"
        raise RefusedUpload(message, "task")
    if all(isinstance(label, int) for label in labels):
        count = len(set(labels))
        task = asked.task or ("binary" if count == 2 else "multiclass")
        return from_numbers(np.array(labels, dtype=np.int64), task, place)
    return from_names([str(label) for label in labels], asked.task, place)


def _refusal(line: int, message: str) -> RefusedUpload:
    return RefusedUpload(f"line {line}: {message}")
