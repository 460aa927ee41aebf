"""Two interleaving half circles: the tutorial's set for binary classification (section 6)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.data.base import Builtin, Dataset, DatasetInfo
from models.data.splits import tutorial_split
from models.lazy import lazy
from models.run import Reporter

if TYPE_CHECKING:
    from sklearn import datasets
else:
    datasets = lazy("sklearn.datasets")

ROWS = 1000
NOISE = 0.2
SEED = 42

INFO = DatasetInfo(
    id="moons",
    title="Two interleaving half circles with noise",
    kind="csv",
    source=f"scikit-learn make_moons(n_samples={ROWS}, noise={NOISE}, random_state={SEED})",
    task="binary",
    bundled=True,
    rows=ROWS,
    shape=(2,),
    features=("x1", "x2"),
    target="moon",
    classes=("upper", "lower"),
)


@cache
def _arrays() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    made: Any = datasets.make_moons(n_samples=ROWS, noise=NOISE, random_state=SEED)
    return made[0].astype(np.float32), made[1].astype(np.int64)


def _first(_data_dir: Path, rows: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    inputs, targets = _arrays()
    return inputs[:rows], targets[:rows]


def _load(_data_dir: Path, _report: Reporter) -> Dataset:
    inputs, targets = _arrays()
    # The tutorial's own split happens to leave 100 points of each moon for the test.
    return Dataset(INFO, inputs, targets, *tutorial_split(ROWS))


DATASET = Builtin(INFO, _load, _first)
