"""Two loaded runners of one model, timed against each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from models.backends.base import Runner
from models.parity import agree
from models.rows import Tensors

WARM_CALLS = 3
"""TorchScript profiles its first call and optimises in the second."""
LEAST_ROUNDS = 3
MOST_ROUNDS = 25
BLOCK_S = 0.001
"""Calls that take less are timed several together."""
MARGIN = 0.05
"""The least gain that counts, and the most that a batch size may lose by it."""

Clock = Callable[[], float]
Batches = Mapping[int, Tensors]
"""By the number of their rows."""


@dataclass(frozen=True)
class Paces:
    """What a call takes, by the rows of a batch."""

    seconds: Mapping[int, float]

    def calls(self, size: int) -> int:
        """How many make a block that a clock can tell apart."""
        return max(1, int(BLOCK_S / max(self.seconds[size], 1e-9)))

    @property
    def duel_s(self) -> float:
        """The least that a duel with one that is as fast takes."""
        block = sum(s * self.calls(size) for size, s in self.seconds.items())
        return 2 * LEAST_ROUNDS * block + WARM_CALLS * sum(self.seconds.values())


def answers(runner: Runner, batches: Batches) -> dict[int, dict[str, Any]]:
    """What it says to each batch, after as many calls as it takes to be warm."""
    for batch in batches.values():
        for _ in range(WARM_CALLS - 1):
            runner.run(batch)
    return {size: runner.run(batch) for size, batch in batches.items()}


def same(expected: Mapping[int, Mapping[str, Any]], got: Mapping[int, Mapping[str, Any]]) -> bool:
    """Whether all answers are equal within what float32 sums in another order may differ by."""
    return all(agree(want, got[size]) for size, want in expected.items())


def duel(
    best: Runner, challenger: Runner, batches: Batches, paces: Paces, *, clock: Clock, until: float
) -> dict[int, float]:
    """The challenger's time as a share of the best's, by batch size; the median of rounds in which
    each has a block, in turns, so that drift of the machine falls on both."""
    shares: dict[int, list[float]] = {size: [] for size in batches}
    for number in range(MOST_ROUNDS):
        if number >= LEAST_ROUNDS and (clock() > until or _hopeless(shares)):
            break
        pair = (best, challenger) if number % 2 else (challenger, best)
        for size, batch in batches.items():
            times = [_block(runner, batch, paces.calls(size), clock) for runner in pair]
            ours, theirs = times if number % 2 else reversed(times)
            shares[size].append(theirs / max(ours, 1e-9))
    return {size: median(found) for size, found in shares.items()}


def _hopeless(shares: Mapping[int, Sequence[float]]) -> bool:
    """Whether the challenger's luckiest round of a batch size would lose the duel."""
    return any(min(found) > 1 + MARGIN for found in shares.values())


def wins(shares: Sequence[float]) -> bool:
    """Clearly faster on the whole, and clearly slower at no batch size."""
    mean = math.exp(sum(math.log(max(share, 1e-9)) for share in shares) / len(shares))
    return mean < 1 - MARGIN and max(shares) < 1 + MARGIN


def _block(runner: Runner, batch: Tensors, calls: int, clock: Clock) -> float:
    if calls > 1:
        runner.run(batch)  # untimed: the caches are the other's
    started = clock()
    for _ in range(calls):
        runner.run(batch)
    return clock() - started
