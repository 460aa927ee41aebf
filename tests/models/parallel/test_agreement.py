"""When ranks stop: rank 0's wish goes along with a gradient, and counts from there on."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.parallel.data_parallel import DataParallel
from models.parallel.distributed import Ranks


class OnlyRank(Ranks):
    """Rank 0 without others: what is summed stays as it is."""

    def __init__(self) -> None:
        super().__init__(0, 1)

    def sum(self, tensor: torch.Tensor) -> None: ...


@pytest.fixture
def parallel() -> DataParallel:
    values = torch.zeros(3)
    return DataParallel(OnlyRank(), nn.Identity(), values, torch.zeros(3))


def step(parallel: DataParallel) -> None:
    parallel.average(torch.tensor(0.5), 4)


def test_without_a_wish_all_go_on(parallel: DataParallel) -> None:
    for _ in range(3):
        assert parallel.agree(None, due=False) == (None, False)
        step(parallel)


@pytest.mark.parametrize(
    ("afterwards", "reason"), [("pause", "pause"), ("cancel", "cancel"), (None, "pause")]
)
def test_a_reason_that_was_told_counts_even_if_it_is_taken_back(
    parallel: DataParallel, afterwards: str | None, reason: str
) -> None:
    assert parallel.agree("pause", due=False) == (None, False)
    step(parallel)
    assert parallel.agree(afterwards, due=False) == (reason, False)


def test_what_is_due_is_saved_by_all_after_the_next_step(parallel: DataParallel) -> None:
    assert parallel.agree(None, due=True) == (None, False)
    step(parallel)
    assert parallel.agree(None, due=True) == (None, True)
    step(parallel)
    assert parallel.agree(None, due=False) == (None, False)
