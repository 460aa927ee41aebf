"""The digits 0 to 4 and the digits 5 to 9: what one half teaches about the other (section 10.5).

Each scan is on the same side of the split as in `digits`, so that a model of all ten digits has
never trained on what one of a half is judged by, nor the other way round.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data import digits
from models.data.base import Builtin, Dataset, DatasetInfo
from models.run import Reporter

HALF = 5
"""Classes of a half."""


def _info(first: int, rows: int) -> DatasetInfo:
    last = first + HALF - 1
    return replace(
        digits.INFO,
        id=f"digits-{first}-{last}",
        title=f"The digits {first} to {last} (8x8 scans, enlarged to 28x28)",
        rows=rows,
        classes=tuple(str(digit) for digit in range(first, last + 1)),
    )


@cache
def _half(info: DatasetInfo) -> Dataset:
    whole = digits.whole()
    first = int((info.classes or ("0",))[0])
    chosen = (whole.targets >= first) & (whole.targets < first + HALF)
    kept = np.flatnonzero(chosen)

    def places(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Row numbers of the whole, of those in this half → row numbers of the half."""
        return np.searchsorted(kept, rows[chosen[rows]])

    inputs, targets = whole.inputs[kept], whole.targets[kept] - first
    return Dataset(info, inputs, targets, places(whole.train), places(whole.test))


def _load(info: DatasetInfo, _data_dir: Path, _report: Reporter) -> Dataset:
    return _half(info)


def _first(
    info: DatasetInfo, _data_dir: Path, rows: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    half = _half(info)
    return half.inputs[:rows], half.targets[:rows]


DATASETS = tuple(
    Builtin(info, partial(_load, info), partial(_first, info))
    for info in (_info(0, 901), _info(5, 896))
)
