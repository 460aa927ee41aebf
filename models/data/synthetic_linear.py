"""A linear relation with noise, whose true weights are known (the tutorial's section 5)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.base import Builtin, Dataset, DatasetInfo
from models.run import Reporter

TRAIN_ROWS = 1000
TEST_ROWS = 200
"""Drawn besides the tutorial's 1,000, so that the published model has rows it never saw."""
FEATURES = 10
NOISE = 0.1
SEED = 42

INFO = DatasetInfo(
    id="synthetic-linear",
    title=f"Linear relation of {FEATURES} features, noise {NOISE}",
    kind="csv",
    source=f"generated: y = x·w + {NOISE}·n with x, w, n standard normal, numpy seed {SEED}",
    task="regression",
    bundled=True,
    rows=TRAIN_ROWS + TEST_ROWS,
    shape=(FEATURES,),
    features=tuple(f"x{number}" for number in range(1, FEATURES + 1)),
    target="y",
)

_Arrays = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


@cache
def _arrays() -> _Arrays:
    generator = np.random.default_rng(SEED)
    weights = generator.standard_normal((FEATURES, 1))
    inputs = generator.standard_normal((INFO.rows, FEATURES))
    noise = generator.standard_normal((INFO.rows, 1))
    # Summed row by row: a BLAS may round differently from machine to machine.
    targets = (inputs * weights[:, 0]).sum(axis=1, keepdims=True) + NOISE * noise
    return inputs.astype(np.float32), targets.astype(np.float32), weights.astype(np.float32)


def _first(_data_dir: Path, rows: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    inputs, targets, _ = _arrays()
    return inputs[:rows], targets[:rows]


def _load(_data_dir: Path, _report: Reporter) -> Dataset:
    inputs, targets, weights = _arrays()
    # The rows are drawn independently, so a split by position is as good as a random one.
    train, test = np.arange(TRAIN_ROWS), np.arange(TRAIN_ROWS, INFO.rows)
    return Dataset(INFO, inputs, targets, train, test, truth={"weights": weights})


DATASET = Builtin(INFO, _load, _first)
