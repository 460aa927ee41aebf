"""The built-in datasets. Torch-free: the API lists and previews them.

A new one is a file here that exports `DATASET`, and a line in the table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.data import (
    breast_cancer,
    california,
    diabetes,
    digits,
    digits_halves,
    fashion_mnist,
    mnist,
    moons,
    shapes,
    synthetic_linear,
    waves,
    wine,
)
from models.data.base import Builtin, Dataset, DatasetInfo
from models.data.previews import preview_of
from models.run import Reporter

__all__ = ["BUILTIN", "LOADERS", "Dataset", "DatasetInfo", "available", "load", "preview"]

LOADERS: dict[str, Builtin] = {
    builtin.info.id: builtin
    for builtin in (
        digits.DATASET,
        *digits_halves.DATASETS,
        mnist.DATASET,
        fashion_mnist.DATASET,
        moons.DATASET,
        breast_cancer.DATASET,
        wine.DATASET,
        synthetic_linear.DATASET,
        diabetes.DATASET,
        california.DATASET,
        shapes.DATASET,
        waves.DATASET,
    )
}
BUILTIN: dict[str, DatasetInfo] = {name: builtin.info for name, builtin in LOADERS.items()}


def available(dataset_id: str, data_dir: Path) -> bool:
    """Whether `load` would succeed without a network. `KeyError` for an unknown id."""
    return LOADERS[dataset_id].available(data_dir)


def load(dataset_id: str, data_dir: Path, report: Reporter) -> Dataset:
    """The whole dataset, downloaded to `data_dir` if it has to be. `KeyError` for an unknown id.

    Raises `DatasetUnavailable`, saying what to do.
    """
    return LOADERS[dataset_id].load(data_dir, report)


def preview(dataset_id: str, data_dir: Path, rows: int = 10) -> dict[str, Any]:
    """The first rows as JSON (see `previews`).

    Never downloads: raises `DatasetUnavailable` where `available` is false, `KeyError` for an
    unknown id.
    """
    info = BUILTIN[dataset_id]
    loader = LOADERS[dataset_id]
    inputs, targets = loader.first(data_dir, rows)
    lengths = None if loader.lengths is None else loader.lengths(data_dir, rows)
    return preview_of(info, inputs, targets, lengths)
