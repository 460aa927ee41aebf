"""What a dataset is: a description that anyone may read, and arrays that training takes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.run import Reporter

Kind = Literal["csv", "images", "arrays", "sequences"]
"""`csv`: rows of named numeric columns; `images`: rows of pixels, channels first, in [0, 1];
`arrays`: rows of numbers without names; `sequences`: rows of as many steps as they have."""

DataTask = Literal["regression", "binary", "multiclass", "segmentation"]


@dataclass(frozen=True)
class DatasetInfo:
    """What can be said about a dataset without loading it."""

    id: str
    title: str
    kind: Kind
    source: str
    """Where it comes from, for a person."""
    task: DataTask
    bundled: bool
    """Whether it is on every installation; otherwise it is downloaded at first use."""
    rows: int
    shape: tuple[int, ...]
    """Of one row: `(1, 28, 28)` for an image, `(2,)` for two columns, `(-1, 3)` for sequences of
    three numbers a step. What a pipeline can take it tells by this and not by the kind: arrays of
    shape `(2,)` are as good a table as a CSV, of `(1, 28, 28)` as good as pictures."""
    features: tuple[str, ...] | None = None
    """The columns' names, in order; None for images."""
    target: str = "label"
    classes: tuple[str, ...] | None = None
    """Names by class index; None for a regression."""


@dataclass(frozen=True)
class Dataset:
    """A dataset in memory, with its fixed split.

    Which rows are test rows belongs to the dataset and not to a job's seed: otherwise two versions
    of a model could not be compared, and one job's test rows would have trained another's model.
    """

    info: DatasetInfo
    inputs: NDArray[np.float32]
    """(rows, *info.shape), raw: unscaled columns, pixels in [0, 1], sequences padded with zeros."""
    targets: NDArray[Any]
    """int64 class indices (rows,), float32 (rows, 1) for a regression, or float32 masks
    (rows, 1, h, w) of zeros and ones for a segmentation."""
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    """Row numbers; together every row once."""
    truth: Mapping[str, NDArray[np.float32]] = field(
        default_factory=dict[str, "NDArray[np.float32]"]
    )
    """What made the data, where that is known: the true weights of a synthetic regression."""

    lengths: NDArray[np.int64] | None = None
    """(rows,): how many steps each of the sequences has; None where rows are all of one shape."""

    def __post_init__(self) -> None:
        """Loaders keep their arrays for the next run of the process, which must find them whole."""
        for array in (*self._arrays(), *self.truth.values()):
            array.setflags(write=False)

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        arrays = (self.inputs, self.targets, self.train, self.test)
        return arrays if self.lengths is None else (*arrays, self.lengths)

    @cached_property
    def sha256(self) -> str:
        """Over dtype, shape and bytes of every array: equal exactly if a training sees the same."""
        digest = hashlib.sha256(self.info.id.encode())
        for array in self._arrays():
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def always(_data_dir: Path) -> bool:
    """The `available` of a dataset that needs no file."""
    return True


@dataclass(frozen=True)
class Builtin:
    """One row of the table: the description, and how to get at the data."""

    info: DatasetInfo
    load: Callable[[Path, Reporter], Dataset]
    """Of the data directory. Raises `DatasetUnavailable`; may download, and then says so."""
    first: Callable[[Path, int], tuple[NDArray[np.float32], NDArray[Any]]]
    """The first inputs and targets, for a preview. Raises `DatasetUnavailable`; never downloads."""
    available: Callable[[Path], bool] = always
    """Whether `load` would need no network."""
    lengths: Callable[[Path, int], NDArray[np.int64]] | None = None
    """How many steps each of those first inputs has, where they are sequences."""
