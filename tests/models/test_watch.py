from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models import watch
from models.watch import RunningMean, Watch

CPU = torch.device("cpu")
LOSSES = st.lists(st.tuples(st.floats(0, 10, width=32), st.integers(1, 64)), min_size=1)


def filled(batches: list[tuple[float, int]]) -> RunningMean:
    running = RunningMean()
    for loss, rows in batches:
        running.add(torch.tensor(loss), rows)
    return running


@given(LOSSES)
def test_the_mean_is_by_row_and_begins_anew(batches: list[tuple[float, int]]) -> None:
    expected = sum(loss * rows for loss, rows in batches) / sum(rows for _, rows in batches)
    running = filled(batches)
    assert running.finish().item() == pytest.approx(expected, rel=1e-6, abs=1e-12)
    running.add(torch.tensor(3.0), 5)
    assert running.finish().item() == 3.0
    assert math.isnan(running.finish().item())


@given(LOSSES, LOSSES)
def test_a_mean_that_was_put_aside_goes_on_bit_for_bit(
    before: list[tuple[float, int]], after: list[tuple[float, int]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch, "FOLD", 4)
        whole = filled(before + after).finish()
        pieces = RunningMean()
        pieces.load_state_dict(filled(before).state_dict(), CPU)
        for loss, rows in after:
            pieces.add(torch.tensor(loss), rows)
        assert torch.equal(pieces.finish(), whole)


def follow(losses: list[float], **settings: Any) -> Watch:
    seen = Watch(**{"patience": 0, "min_delta": 0.0} | settings)
    for loss in losses:
        seen.see(loss)
    return seen


def test_the_best_is_the_first_of_the_lowest() -> None:
    seen = follow([3.0, 1.0, 2.0, 1.0])
    assert (seen.best, seen.best_epoch) == (1.0, 2)


def test_only_an_improvement_by_more_than_min_delta_counts() -> None:
    seen = follow([1.0, 0.95, 0.91, 0.85], min_delta=0.1)
    assert (seen.best, seen.best_epoch) == (0.85, 4)


@pytest.mark.parametrize(
    ("losses", "patience", "exhausted"),
    [
        ([1.0, 2.0], 2, False),
        ([1.0, 2.0, 2.0], 2, True),
        ([1.0, 2.0, 0.5, 2.0], 2, False),
        ([1.0] * 50, 0, False),
    ],
)
def test_patience_runs_out_after_so_many_epochs(
    losses: list[float], patience: int, exhausted: bool
) -> None:
    assert follow(losses, patience=patience).exhausted is exhausted
