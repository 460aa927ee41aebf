"""The first rows of a dataset as JSON, for people to look at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.base import DatasetInfo

PICTURE_DIGITS = 4
"""Decimals of a pixel: more than any screen shows, and a quarter of the bytes."""


def preview_of(
    info: DatasetInfo,
    inputs: NDArray[np.float32],
    targets: NDArray[Any],
    lengths: NDArray[np.int64] | None = None,
) -> dict[str, Any]:
    """`columns` and the rows' values where a row is a list of numbers; else `shape` and objects of
    `pixels` in [0, 1], `steps` of a sequence without its padding, or `values`, with the target."""
    shown = [_target(info, target) for target in targets]
    if len(info.shape) == 1:
        columns = [*(info.features or _numbered(info.shape[0])), info.target]
        rows = [[*row.tolist(), target] for row, target in zip(inputs, shown, strict=True)]
        return {"kind": info.kind, "columns": columns, "rows": rows}
    if lengths is not None:
        name, values = "steps", [row[:length] for row, length in zip(inputs, lengths, strict=True)]
    elif info.kind == "images":
        name, values = "pixels", list(inputs.round(PICTURE_DIGITS))
    else:
        name, values = "values", list(inputs)
    rows = [
        {info.target: target, name: value.tolist()}
        for value, target in zip(values, shown, strict=True)
    ]
    return {"kind": info.kind, "shape": list(info.shape), "rows": rows}


def _numbered(count: int) -> list[str]:
    return [f"x{number}" for number in range(1, count + 1)]


def _target(info: DatasetInfo, target: Any) -> Any:
    """A class by its name, a number as it is, a mask as nested lists."""
    if info.classes is not None and target.ndim == 0:
        return info.classes[int(target)]
    return float(target.item()) if target.size == 1 else target.tolist()
