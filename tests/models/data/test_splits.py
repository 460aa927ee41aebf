from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from models.data.splits import split, stratified_split, tutorial_split

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=200)
FRACTIONS = st.floats(0, 0.5)


@given(labels=LABELS, fraction=FRACTIONS, seed=st.integers(0, 2**63 - 1))
def test_parts_are_disjoint_complete_and_of_the_asked_size(
    labels: list[int], fraction: float, seed: int
) -> None:
    kept, held = stratified_split(np.array(labels), fraction, seed)
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(len(labels)))
    assert len(held) == round(len(labels) * fraction)
    assert kept.tolist() == sorted(kept.tolist())


@given(labels=LABELS, fraction=FRACTIONS, seed=st.integers(0, 2**63 - 1))
def test_each_class_gives_its_share_to_within_one_row(
    labels: list[int], fraction: float, seed: int
) -> None:
    array = np.array(labels)
    _, held = stratified_split(array, fraction, seed)
    wanted = np.bincount(array, minlength=5) * fraction
    given_up = np.bincount(array[held], minlength=5)
    assert (np.abs(given_up - wanted) <= 1).all()


@given(seed=st.integers(0, 2**63 - 1))
def test_it_is_a_function_of_the_seed(seed: int) -> None:
    one, other = split(100, 0.3, seed), split(100, 0.3, seed)
    assert one[1].tolist() == other[1].tolist()


def test_seeds_choose_differently() -> None:
    assert len({tuple(split(100, 0.3, seed)[1].tolist()) for seed in range(20)}) == 20


@given(rows=st.integers(2, 1000))
def test_the_tutorials_split_is_scikit_learns(rows: int) -> None:
    expected = train_test_split(np.arange(rows), test_size=0.2, random_state=42)
    assert [part.tolist() for part in tutorial_split(rows)] == [sorted(part) for part in expected]
