"""Periodic signals of four shapes, each as long as it happens to be: sequences (section 10.1)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.base import Builtin, Dataset, DatasetInfo
from models.run import Reporter

TRAIN_ROWS, TEST_ROWS = 1600, 400
SHORTEST, LONGEST = 20, 60
NOISE = 0.05
SEED = 42

INFO = DatasetInfo(
    id="waves",
    title=f"Noisy waves of four shapes, {SHORTEST} to {LONGEST} steps",
    kind="sequences",
    source=f"generated: period 8 to 20 steps, any phase, amplitude 0.7 to 1.3, noise {NOISE}, "
    f"numpy seed {SEED}",
    task="multiclass",
    bundled=True,
    rows=TRAIN_ROWS + TEST_ROWS,
    shape=(-1, 1),
    target="shape",
    classes=("sine", "square", "rising", "falling"),
)
"""The two sawtooths have the same values in another order: only who looks at the order of the
steps tells them apart."""

_Arrays = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]


def wave(shape: int, turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """A wave between -1 and 1, after so many turns of its period."""
    part = turns % 1
    if shape == 0:
        return np.sin(2 * np.pi * part)
    if shape == 1:
        return np.where(part < 0.5, 1.0, -1.0)
    return 2 * part - 1 if shape == 2 else 1 - 2 * part


@cache
def _arrays() -> _Arrays:
    generator = np.random.default_rng(SEED)
    lengths = generator.integers(SHORTEST, LONGEST + 1, INFO.rows)
    targets = np.arange(INFO.rows) % len(INFO.classes or ())
    inputs = np.zeros((INFO.rows, LONGEST, 1), np.float32)
    for row, (length, target) in enumerate(zip(lengths, targets, strict=True)):
        period, phase = generator.uniform(8, 20), generator.uniform()
        height = generator.uniform(0.7, 1.3)
        clean = height * wave(int(target), np.arange(length) / period + phase)
        # Rounded, because a sine may differ in its last bit from machine to machine, and the
        # dataset's digest must not.
        noisy = clean + NOISE * generator.standard_normal(length)
        inputs[row, :length, 0] = noisy.round(4)
    return inputs, targets, lengths


def _first(_data_dir: Path, rows: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    inputs, targets, _ = _arrays()
    return inputs[:rows], targets[:rows]


def _lengths(_data_dir: Path, rows: int) -> NDArray[np.int64]:
    return _arrays()[2][:rows]


def _load(_data_dir: Path, _report: Reporter) -> Dataset:
    inputs, targets, lengths = _arrays()
    # The rows are drawn independently and the classes take turns: a split by position is good.
    train, test = np.arange(TRAIN_ROWS), np.arange(TRAIN_ROWS, INFO.rows)
    return Dataset(INFO, inputs, targets, train, test, lengths=lengths)


DATASET = Builtin(INFO, _load, _first, lengths=_lengths)
