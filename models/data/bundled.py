"""The small tables that ship with scikit-learn, as rows of the table of datasets."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.base import Builtin, Dataset, DatasetInfo
from models.data.splits import stratified_split, tutorial_split
from models.run import Reporter

SPLIT_SEED = 42

Arrays = tuple[NDArray[np.float32], NDArray[Any]]


def bundled(info: DatasetInfo, read: Callable[[], Any], held_out: float = 0.2) -> Builtin:
    """`read` is scikit-learn's loader, which gives `data` and `target`; called at first use.

    `held_out` is the share of each class that is for the test; a regression has the tutorial's own
    split (section 8).
    """

    @cache
    def arrays() -> Arrays:
        bunch = read()
        inputs = bunch.data.astype(np.float32)
        if info.classes is None:
            return inputs, bunch.target.astype(np.float32)[:, None]
        return inputs, bunch.target.astype(np.int64)

    def first(_data_dir: Path, rows: int) -> Arrays:
        inputs, targets = arrays()
        return inputs[:rows], targets[:rows]

    def load(_data_dir: Path, _report: Reporter) -> Dataset:
        inputs, targets = arrays()
        if info.classes is None:
            train, test = tutorial_split(info.rows)
        else:
            train, test = stratified_split(targets, held_out, SPLIT_SEED)
        return Dataset(info, inputs, targets, train, test)

    return Builtin(info, load, first)
