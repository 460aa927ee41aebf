"""Dividing rows: disjoint, complete, the same classes on both sides, a function of the seed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def split(rows: int, fraction: float, seed: int) -> tuple[Rows, Rows]:
    """→ the row numbers of the larger and of the held-out part, each in ascending order."""
    return stratified_split(np.zeros(rows, dtype=np.int64), fraction, seed)


def tutorial_split(rows: int) -> tuple[Rows, Rows]:
    """The tutorial's `train_test_split(…, test_size=0.2, random_state=42)`, what it comes down to.

    → the row numbers of the training and of the test part, each in ascending order.
    """
    order = np.random.RandomState(42).permutation(rows)
    held = -(-rows // 5)
    return np.sort(order[held:]), np.sort(order[:held])


def stratified_split(labels: NDArray[Any], fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Hold out `fraction` of the rows, of each class its share to within one row.

    → the row numbers of the larger and of the held-out part, each in ascending order. The total is
    `round(rows * fraction)`; the rows left over by rounding down go to the classes with the
    largest remainders.
    """
    generator = np.random.default_rng(seed)
    classes, codes = np.unique(labels, return_inverse=True)
    sizes = np.bincount(codes, minlength=len(classes))
    wanted = sizes * fraction
    counts = np.floor(wanted).astype(np.int64)
    short = round(len(labels) * fraction) - int(counts.sum())
    counts[np.argsort(counts - wanted, kind="stable")[:short]] += 1
    held = np.zeros(len(labels), dtype=np.bool_)
    for code, count in enumerate(counts):
        members = np.flatnonzero(codes == code)
        held[generator.permutation(members)[:count]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)
