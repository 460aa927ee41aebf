"""Batches of sequences: longest first, no more padding than the longest needs, every step kept."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from models.batches import Rows, batches, in_order
from models.determinism import permutation


def sequences(lengths: list[int]) -> Rows:
    """Row k has the number k + 1 in each of its steps, and zeros behind them."""
    steps = max(lengths)
    counted = torch.tensor(lengths)
    inputs = (torch.arange(steps) < counted[:, None]).float() * torch.arange(
        1.0, len(lengths) + 1
    ).unsqueeze(1)
    return Rows(inputs.unsqueeze(2), torch.arange(len(lengths)), counted)


@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=40),
    size=st.integers(1, 16),
    seed=st.integers(0, 9),
)
def test_every_step_of_every_sequence_is_kept(lengths: list[int], size: int, seed: int) -> None:
    rows = sequences(lengths)
    seen: list[int] = []
    for (inputs, given_lengths), targets in batches(rows, permutation(len(rows), seed, 0), size):
        assert given_lengths.tolist() == sorted(given_lengths.tolist(), reverse=True)
        assert inputs.shape[1] == given_lengths[0]
        assert given_lengths.tolist() == [lengths[row] for row in targets.tolist()]
        expected = (targets + 1) * given_lengths
        assert inputs.sum(dim=(1, 2)).tolist() == expected.tolist()
        seen += targets.tolist()
    assert sorted(seen) == list(range(len(lengths)))


def test_in_order_covers_all_rows_once() -> None:
    found = [targets.tolist() for _, targets in in_order(sequences([3, 1, 2, 5, 4]), 2)]
    assert found == [[0, 1], [2, 3][::-1], [4]]
