"""Which rows of an upload are held out: decided once, when it comes."""

from __future__ import annotations

import numpy as np

from models.data.splits import Rows, split, stratified_split
from models.data.uploads.targets import Target

TEST_FRACTION = 0.2
SEED = 42


def hold_out(target: Target) -> tuple[Rows, Rows]:
    """→ training and test rows. A fifth is held out, of each class its share but at least one row.

    Every class has two rows or more, so it is in both parts; where many are rare, the test part is
    somewhat more than a fifth.
    """
    if target.classes is None:
        return split(len(target.values), TEST_FRACTION, SEED)
    train, test = stratified_split(target.values, TEST_FRACTION, SEED)
    untested = np.setdiff1d(target.values, target.values[test])
    generator = np.random.default_rng(SEED)
    chosen = [generator.choice(train[target.values[train] == code]) for code in untested]
    moved = np.array(chosen, dtype=np.int64)
    return np.setdiff1d(train, moved), np.union1d(test, moved)
