"""NumPy archives of two arrays: `x` (or `inputs`) and `y` (or `targets`), row for row."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from models.data.base import DataTask
from models.data.uploads import archives, profile
from models.data.uploads.archives import Archive
from models.data.uploads.content import Asked, Content, check_size
from models.data.uploads.targets import Place, Target, check_rows, from_numbers
from models.data.uploads.text import listed
from models.errors import RefusedUpload

INPUTS = ("x", "inputs")
TARGETS = ("y", "targets")
MAX_DIMENSIONS = 4
"""Rows of channels, height and width."""

_HEADERS = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}


def read(file: Path, asked: Asked) -> Content:
    with archives.opened(file) as archive:
        entries = _entries(archive.names)
        given = _array(archive, entries[INPUTS])
        targets = _array(archive, entries[TARGETS])
    _check_rows(given, targets)
    inputs = _inputs(given)
    target = _target(targets, inputs.shape, asked.task)
    return Content(
        "uploaded arrays",
        inputs,
        target,
        "target" if target.task == "regression" else "label",
        {"dtypes": {"x": str(given.dtype), "y": str(targets.dtype)}, "x": profile.numbers(inputs)},
    )


def _entries(names: list[str]) -> dict[tuple[str, str], str]:
    """→ the entry of the inputs and that of the targets."""
    found = {
        either: [name for name in names if name.removesuffix(".npy") in either]
        for either in (INPUTS, TARGETS)
    }
    if len(names) != 2 or any(len(entries) != 1 for entries in found.values()):
        got = listed(name.removesuffix(".npy") for name in names) or "none"
        raise RefusedUpload(f"expected two arrays, x (or inputs) and y (or targets), got {got}")
    return {either: entries[0] for either, entries in found.items()}


def _array(archive: Archive, name: str) -> NDArray[Any]:
    """An entry in numpy's format. Its header is a claim, so it is held against what is there."""
    content = archive.read(name)
    stream = io.BytesIO(content[: 1 << 17])  # a header is at most 64 KiB of version 1
    try:
        read_header = _HEADERS[npy.read_magic(stream)]
        shape, fortran, dtype = read_header(stream)
    except Exception as error:  # KeyError, ValueError, and what parsing a literal raises
        raise archives.refusal(name, "expected an array in numpy's format, got none") from error
    if dtype.hasobject or dtype.kind not in "fiub":
        raise archives.refusal(name, f"expected numbers, got the type {str(dtype)[:64]}")
    data = memoryview(content)[stream.tell() :]
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(data):
        raise archives.refusal(name, f"expected what its header says, got {len(data)} bytes")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _check_rows(given: NDArray[Any], targets: NDArray[Any]) -> None:
    if not 2 <= given.ndim <= MAX_DIMENSIONS or 0 in given.shape[1:]:
        raise RefusedUpload(
            f"x: expected rows of numbers, (n, features) up to (n, channels, height, width), "
            f"got the shape {list(given.shape)}"
        )
    if targets.ndim == 0 or len(targets) != len(given):
        got = len(targets) if targets.ndim else "a single number"
        raise RefusedUpload(f"y: expected {len(given)} rows, as many as x, got {got}")
    check_rows(len(given))


def _inputs(given: NDArray[Any]) -> NDArray[np.float32]:
    """As float32; bytes that can be pixels as what pixels are everywhere else, 0 to 1."""
    check_size(given.shape, "upload fewer rows")
    with np.errstate(over="ignore"):
        inputs = np.require(given, np.float32, ["C", "A"])
    _check_finite(inputs, given, "x")
    pixels = given.dtype == np.uint8 and given.ndim == 4 and given.shape[1] in (1, 3)
    return np.divide(inputs, 255, dtype=np.float32) if pixels else inputs


def _target(targets: NDArray[Any], shape: tuple[int, ...], task: DataTask | None) -> Target:
    if task == "segmentation" or (task is None and targets.ndim == 4):
        return _masks(targets, shape)
    column = targets[:, 0] if targets.ndim == 2 and targets.shape[1] == 1 else targets
    if column.ndim != 1:
        raise RefusedUpload(
            f"y: expected one value a row, (n,) or (n, 1), got the shape {list(targets.shape)}"
        )
    _check_finite(column, column, "y")
    if task is None and column.dtype.kind == "f":
        task = "regression"
    if task is None:
        task = "binary" if len(np.unique(column)) == 2 else "multiclass"
    return from_numbers(column, task, Place("y"))


def _masks(targets: NDArray[Any], shape: tuple[int, ...]) -> Target:
    expected = (shape[0], 1, *shape[2:])
    if len(shape) != 4 or targets.shape != expected:
        raise RefusedUpload(
            f"y: expected a mask (n, 1, height, width) for each picture (n, channels, height, "
            f"width), got the shape {list(targets.shape)} for {list(shape)}"
        )
    if not np.isin(targets, (0, 1)).all():
        raise RefusedUpload("y: expected masks of zeros and ones, got other values")
    return Target("segmentation", np.require(targets, np.float32, ["C", "A"]))


def _check_finite(values: NDArray[Any], given: NDArray[Any], name: str) -> None:
    finite = np.isfinite(values)
    if not finite.all():
        place = tuple(np.argwhere(~finite)[0])
        raise RefusedUpload(
            f"{name}: expected finite numbers that float32 can hold, got {given[place]} "
            f"in row {place[0] + 1}"
        )
