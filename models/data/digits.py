"""Real handwritten digits that need no network: the scans that ship with scikit-learn."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.data.base import Builtin, Dataset, DatasetInfo
from models.data.splits import stratified_split
from models.lazy import lazy
from models.run import Reporter

if TYPE_CHECKING:
    from sklearn import datasets
else:
    datasets = lazy("sklearn.datasets")

SIDE = 28
SPLIT_SEED = 42

INFO = DatasetInfo(
    id="digits",
    title="Handwritten digits (8x8 scans, enlarged to 28x28)",
    kind="images",
    source="UCI Optical Recognition of Handwritten Digits, as bundled with scikit-learn",
    task="multiclass",
    bundled=True,
    rows=1797,
    shape=(1, SIDE, SIDE),
    classes=tuple("0123456789"),
)


def resize_bilinear(images: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """(n, h, w) → (n, side, side), sampled at pixel centres with edges repeated.

    The same convention as `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`.
    Written as two weighted sums, not as a matrix product, because a BLAS may round differently
    from machine to machine and the dataset's digest must not.
    """
    for axis in (1, 2):
        size = images.shape[axis]
        centres = (np.arange(side) + 0.5) * (size / side) - 0.5
        centres = np.clip(centres, 0, size - 1)
        low = np.floor(centres).astype(np.int64)
        high = np.minimum(low + 1, size - 1)
        shape = [1, 1, 1]
        shape[axis] = side
        weight = (centres - low).astype(np.float32).reshape(shape)
        images = images.take(low, axis) * (1 - weight) + images.take(high, axis) * weight
    return images


@cache
def _arrays() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    bunch: Any = datasets.load_digits()
    grey = (bunch.images / 16.0).astype(np.float32)  # the scans have 17 levels, 0 to 16
    return resize_bilinear(grey, SIDE)[:, None], bunch.target.astype(np.int64)


def _first(_data_dir: Path, rows: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    inputs, targets = _arrays()
    return inputs[:rows], targets[:rows]


def whole() -> Dataset:
    """All of it; needs nothing but scikit-learn."""
    inputs, targets = _arrays()
    train, test = stratified_split(targets, 0.2, SPLIT_SEED)
    return Dataset(INFO, inputs, targets, train, test)


def _load(_data_dir: Path, _report: Reporter) -> Dataset:
    return whole()


DATASET = Builtin(INFO, _load, _first)
