"""Batches that look for more calls before they are cut."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from numpy.typing import NDArray

from services.serving.batching import Answer, Call
from services.serving.pace import Pace
from services.serving.runners import CROWD, LoadedRunner
from services.serving.stats import Timing
from tests.support.gated import X
from tests.support.models import FunctionRunner

INLINE, THREAD = Pace(0.0, 1e-9), Pace(0.0, 1.0)


class Waves:
    """Calls that come in waves, one in each turn of the event loop, as sockets deliver them."""

    def __init__(self, pace: Pace, max_rows: int) -> None:
        self.batches: list[int] = []
        self.answers: list[Answer] = []
        model = FunctionRunner(self._run)
        self.loaded = LoadedRunner(model, pace, 1, 1e9, max_batch_rows=max_rows)

    def _run(self, x: NDArray[Any]) -> NDArray[Any]:
        self.batches.append(len(x))
        return x

    async def come(self, waves: Sequence[int], *, look: bool) -> None:
        for calls in waves:
            for _ in range(calls):
                call = Call(X, 1, Timing(), self.answers.append)
                self.loaded.submit(call, look=look)
            await asyncio.sleep(0)
        while len(self.answers) < sum(waves):
            await asyncio.sleep(0)
        self.loaded.retire()


@pytest.mark.parametrize("pace", [INLINE, THREAD], ids=["inline", "thread"])
@pytest.mark.parametrize(
    ("waves", "look", "first"),
    [
        ([CROWD, 3], True, CROWD + 3),
        ([CROWD, 3, 2], True, CROWD + 3),
        ([CROWD, 3], False, CROWD),
        ([CROWD - 1, 3], True, CROWD - 1),
        ([CROWD, 0, 3], True, CROWD),
        ([16, 3], True, 16),
        ([CROWD, 20], True, 16),
    ],
    ids=["more", "one look", "asked not to", "a few", "none came", "full", "over full"],
)
def test_what_comes_as_the_first_are_read_is_of_their_batch(
    pace: Pace, waves: list[int], look: bool, first: int
) -> None:
    served = Waves(pace, max_rows=16)
    asyncio.run(asyncio.wait_for(served.come(waves, look=look), 30))
    assert served.batches[0] == first
    assert sum(served.batches) == sum(waves)
