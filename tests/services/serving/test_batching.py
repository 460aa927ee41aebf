"""Batches: whatever comes when, each caller gets its own rows, and only its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.rows import Tensors
from services.errors import Busy, Invalid
from services.serving.runners import LoadedRunner, Pace
from services.serving.stats import PredictionStats, Timing
from tests.support.gated import Gated

MAX_ROWS = 4
POISON = -1.0
INLINE, THREAD = Pace(0.0, 1e-9), Pace(0.0, 1.0)


@dataclass
class RowWise:
    """Doubles each row; fails on a batch with a poisoned one, as a library might."""

    batches: list[tuple[int, ...]] = field(default_factory=list[tuple[int, ...]])

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        rows = inputs["x"]
        assert rows.dtype == np.float32
        assert len(rows) <= MAX_ROWS
        self.batches.append(rows.shape)
        if (rows == POISON).any():
            raise RuntimeError("poisoned")
        return {"y": rows * 2, "sum": rows.sum(axis=1)}

    def close(self) -> None: ...


@dataclass(frozen=True)
class Ask:
    rows: int
    width: int
    wide: bool
    """As JSON has it: float64 for a model of float32."""
    poisoned: bool
    leaves: bool
    """The client goes away before anything is run."""
    pause: int
    """Turns of the event loop before it comes."""


ASKS = st.lists(
    st.builds(
        Ask,
        rows=st.integers(0, 3 * MAX_ROWS),
        width=st.sampled_from([2, 3]),
        wide=st.booleans(),
        poisoned=st.sampled_from([False] * 7 + [True]),
        leaves=st.sampled_from([False] * 7 + [True]),
        pause=st.integers(0, 2),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(asks=ASKS, pace=st.sampled_from([INLINE, THREAD]))
def test_each_caller_gets_exactly_its_own_rows(asks: list[Ask], pace: Pace) -> None:
    asyncio.run(asyncio.wait_for(_interleaved(asks, pace), 30))


async def _interleaved(asks: Sequence[Ask], pace: Pace) -> None:
    model = RowWise()
    loaded = LoadedRunner(model, pace, 1, 1e9, max_batch_rows=MAX_ROWS)
    loaded.stats = PredictionStats()
    tasks: list[tuple[Ask, NDArray[Any], asyncio.Task[Any]]] = []
    for number, ask in enumerate(asks):
        for _ in range(ask.pause):
            await asyncio.sleep(0)
        x = np.arange(ask.rows * ask.width).reshape(ask.rows, ask.width) + 1000.0 * number
        if ask.poisoned and ask.rows:
            x[ask.rows // 2, 0] = POISON
        x = x if ask.wide else x.astype(np.float32)
        dtypes = {"x": np.dtype(np.float32)}
        run = loaded.run({"x": x}, ask.rows, Timing(), dtypes=dtypes)
        task = asyncio.create_task(run)
        if ask.leaves:
            task.cancel()
        tasks.append((ask, x, task))
    for ask, x, task in tasks:
        await asyncio.wait({task})
        if ask.leaves:
            assert task.cancelled()
        elif ask.poisoned and ask.rows:
            assert isinstance(task.exception(), Invalid)
        else:
            answer = task.result()
            np.testing.assert_array_equal(answer["y"], (x * 2).astype(np.float32))
            np.testing.assert_array_equal(answer["sum"], x.astype(np.float32).sum(axis=1))
    while loaded._busy:
        await asyncio.sleep(0)
    assert (loaded._waiting, loaded._effort, len(loaded._queue)) == (0, 0, 0)
    loaded.retire()


def test_what_comes_while_a_batch_runs_is_the_next_one() -> None:
    async def test() -> None:
        model = Gated()
        first = model.ask()
        await model.entered(1)
        later = [model.ask() for _ in range(5)]
        await asyncio.sleep(0.01)
        model.gate.release(2)
        await asyncio.gather(first, *later)
        assert model.rows == [1, 5]
        model.loaded.retire()

    asyncio.run(asyncio.wait_for(test(), 30))


def test_a_request_over_the_limit_runs_in_pieces_beside_others() -> None:
    async def test() -> None:
        model = RowWise()
        loaded = LoadedRunner(model, INLINE, 1, 1.0, max_batch_rows=MAX_ROWS)
        dtypes = {"x": np.dtype(np.float32)}
        large = np.arange(18, dtype=np.float32).reshape(9, 2)
        small = np.full((1, 2), 7, np.float32)
        answers = await asyncio.gather(
            loaded.run({"x": large}, 9, Timing(), dtypes=dtypes),
            loaded.run({"x": small}, 1, Timing(), dtypes=dtypes),
        )
        np.testing.assert_array_equal(answers[0]["y"], large * 2)
        np.testing.assert_array_equal(answers[1]["y"], small * 2)
        assert [rows for rows, _ in model.batches] == [4, 4, 2]

    asyncio.run(asyncio.wait_for(test(), 30))


def test_a_number_that_the_models_datatype_cannot_hold_fails_its_own_request() -> None:
    async def test() -> None:
        loaded = LoadedRunner(RowWise(), INLINE, 1, 1.0, max_batch_rows=MAX_ROWS)
        dtypes = {"x": np.dtype(np.float32)}
        good, bad = np.ones((1, 2)), np.array([[1e39, 0.0]])
        answers = await asyncio.gather(
            *(loaded.run({"x": x}, 1, Timing(), dtypes=dtypes) for x in (good, bad, good)),
            return_exceptions=True,
        )
        assert isinstance(answers[1], Invalid)
        assert answers[1].detail == "input 'x': expected FP32 values, got 1e+39"
        for answer in (answers[0], answers[2]):
            assert isinstance(answer, dict)
            assert answer["y"].tolist() == [[2, 2]]

    asyncio.run(asyncio.wait_for(test(), 30))


@pytest.mark.parametrize("rows", [1, 3 * MAX_ROWS])
def test_a_deadline_that_passes_while_waiting_is_told_at_once(rows: int) -> None:
    async def test() -> None:
        model = Gated(queue_limit_s=1e9)
        first = model.ask()
        await model.entered(1)
        model.loaded.pace = Pace(0.0, 0.0)  # as if the first were nearly done
        x = np.ones((rows, 2), np.float32)
        with pytest.raises(Busy) as caught:
            await model.loaded.run({"x": x}, rows, Timing(), timeout_s=0.02)
        assert caught.value.code == "deadline_exceeded"
        model.gate.release()
        await first
        assert model.rows == [1]
        model.loaded.retire()

    asyncio.run(asyncio.wait_for(test(), 30))


def test_a_deadline_that_cannot_be_met_is_refused_before_it_waits() -> None:
    async def test() -> None:
        model = Gated(queue_limit_s=1e9)
        first = model.ask()
        await model.entered(1)
        with pytest.raises(Busy) as caught:
            await model.loaded.run({"x": np.ones((1, 2))}, 1, Timing(), timeout_s=0.05)
        assert caught.value.code == "overloaded"
        model.gate.release()
        await first
        model.loaded.retire()

    asyncio.run(asyncio.wait_for(test(), 30))


def test_batches_are_counted_by_their_rows() -> None:
    async def test() -> None:
        loaded = LoadedRunner(RowWise(), INLINE, 1, 1.0, max_batch_rows=MAX_ROWS)
        loaded.stats = PredictionStats()
        x = np.ones((1, 2), np.float32)
        await asyncio.gather(*(loaded.run({"x": x}, 1, Timing()) for _ in range(6)))
        counted = loaded.stats.to_triton()
        assert counted["execution_count"] == 2
        sizes = [
            (one["batch_size"], one["compute_infer"]["count"]) for one in counted["batch_stats"]
        ]
        assert sizes == [(2, 1), (4, 1)]

    asyncio.run(asyncio.wait_for(test(), 30))
