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
from services.serving.batching import Work
from services.serving.pace import Pace
from services.serving.runners import LoadedRunner
from services.serving.stats import PredictionStats, Timing
from tests.support.gated import Gated

MAX_ROWS = 4
POISON = -1.0
STEP = 1000
"""Between the numbers in the rows of one request and the next."""
FLOATS = {"x": np.dtype(np.float32)}
INLINE, THREAD = Pace(0.0, 1e-9), Pace(0.0, 1.0)


@dataclass
class RowWise:
    """Doubles each row; fails on a batch with a poisoned one, as a library might.

    What it sees is noted and not asserted here: an assertion would be taken for a failing model.
    """

    batches: list[tuple[int, ...]] = field(default_factory=list[tuple[int, ...]])
    dtypes: set[np.dtype[Any]] = field(default_factory=set[np.dtype[Any]])
    numbers: set[int] = field(default_factory=set[int])
    """Of the requests whose rows came."""
    closed: bool = False

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        rows = inputs["x"]
        self.dtypes.add(rows.dtype)
        self.batches.append(rows.shape)
        self.numbers.update((rows[rows >= STEP] // STEP).astype(int).tolist())
        if (rows == POISON).any():
            raise RuntimeError("poisoned")
        return {"y": rows * 2, "sum": rows.sum(axis=1)}

    def close(self) -> None:
        self.closed = True


class Looking(LoadedRunner):
    """Looks for more before it cuts a batch."""

    def submit(self, call: Work, *, look: bool = True) -> None:
        super().submit(call, look=look)


class Hasty(LoadedRunner):
    """Answers at once whatever it can."""

    def submit(self, call: Work, *, look: bool = False) -> None:
        if not self.answer_at_once(call):
            super().submit(call, look=look)


@dataclass(frozen=True)
class Ask:
    rows: int
    width: int
    wide: bool
    """As JSON has it: float64 for a model of float32."""
    poisoned: bool
    leaves: int | None
    """After how many requests more the client goes away: 0 is before anything is run."""
    timeout_s: float | None
    pause: int
    """Turns of the event loop before it comes."""


ASKS = st.lists(
    st.builds(
        Ask,
        rows=st.integers(0, 3 * MAX_ROWS),
        width=st.sampled_from([2, 3]),
        wide=st.booleans(),
        poisoned=st.sampled_from([False] * 7 + [True]),
        leaves=st.sampled_from([None] * 7 + [0, 0, 1, 3]),
        timeout_s=st.sampled_from([None] * 6 + [1e-9, 1e-4, 60.0]),
        pause=st.integers(0, 2),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(
    asks=ASKS,
    pace=st.sampled_from([INLINE, THREAD]),
    kind=st.sampled_from([LoadedRunner, Looking, Hasty]),
    max_rows=st.sampled_from([MAX_ROWS, 4 * MAX_ROWS]),
)
def test_each_caller_gets_exactly_its_own_rows(
    asks: list[Ask], pace: Pace, kind: type[LoadedRunner], max_rows: int
) -> None:
    asyncio.run(asyncio.wait_for(_interleaved(asks, pace, kind, max_rows), 30))


async def _interleaved(
    asks: Sequence[Ask], pace: Pace, kind: type[LoadedRunner], max_rows: int
) -> None:
    model = RowWise()
    loaded = kind(model, pace, 1, 1e9, max_batch_rows=max_rows)
    loaded.stats = PredictionStats()
    tasks: list[tuple[Ask, NDArray[Any], asyncio.Task[Any]]] = []
    for number, ask in enumerate(asks, start=1):
        for _ in range(ask.pause):
            await asyncio.sleep(0)
        x = _rows(ask, number)
        run = loaded.run({"x": x}, ask.rows, Timing(), dtypes=FLOATS, timeout_s=ask.timeout_s)
        tasks.append((ask, x, asyncio.create_task(run)))
        for place, (other, _, task) in enumerate(tasks, start=1):
            if other.leaves is not None and place + other.leaves <= number:
                task.cancel()
    for ask, x, task in tasks:
        if ask.leaves is not None:
            task.cancel()  # if those that it was to wait for have not come
        await asyncio.wait({task})
        _check(ask, x, task)
    loaded.retire()
    while not model.closed:
        await asyncio.sleep(0)
    assert (loaded._waiting, loaded._effort, len(loaded._queue)) == (0, 0, 0)
    assert model.dtypes <= set(FLOATS.values())
    assert all(rows <= max_rows for rows, _ in model.batches)
    never = {number for number, ask in enumerate(asks, start=1) if ask.leaves == 0}
    assert not never & model.numbers


def _rows(ask: Ask, number: int) -> NDArray[Any]:
    x = np.arange(ask.rows * ask.width).reshape(ask.rows, ask.width) + float(STEP * number)
    if ask.poisoned and ask.rows:
        x[ask.rows // 2, 0] = POISON
    return x if ask.wide else x.astype(np.float32)


def _check(ask: Ask, x: NDArray[Any], task: asyncio.Task[Any]) -> None:
    if task.cancelled():
        assert ask.leaves is not None
        return
    error = task.exception()
    if error is None:
        assert not (ask.poisoned and ask.rows)
        own = x.astype(np.float32)
        np.testing.assert_array_equal(task.result()["y"], own * 2)
        np.testing.assert_array_equal(task.result()["sum"], own.sum(axis=1))
    elif isinstance(error, Busy):
        assert ask.timeout_s is not None
        assert ask.timeout_s < 60 or error.code == "overloaded"
    else:
        assert isinstance(error, Invalid)
        assert ask.poisoned


@pytest.mark.parametrize("pace", [INLINE, THREAD])
def test_one_bad_row_costs_one_request_its_answer(pace: Pace) -> None:
    async def test() -> None:
        model = RowWise()
        loaded = LoadedRunner(model, pace, 1, 1e9, max_batch_rows=MAX_ROWS)
        rows = [np.full((1, 2), value, np.float32) for value in (5, POISON, 7)]
        answers = await asyncio.gather(
            *(loaded.run({"x": x}, 1, Timing()) for x in rows), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [dict, Invalid, dict]
        assert model.batches == [(3, 2), (1, 2), (1, 2), (1, 2)]
        loaded.retire()
        assert model.closed

    asyncio.run(asyncio.wait_for(test(), 30))


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
        large = np.arange(18, dtype=np.float32).reshape(9, 2)
        small = np.full((1, 2), 7, np.float32)
        answers = await asyncio.gather(
            loaded.run({"x": large}, 9, Timing(), dtypes=FLOATS),
            loaded.run({"x": small}, 1, Timing(), dtypes=FLOATS),
        )
        np.testing.assert_array_equal(answers[0]["y"], large * 2)
        np.testing.assert_array_equal(answers[1]["y"], small * 2)
        assert [rows for rows, _ in model.batches] == [4, 4, 2]

    asyncio.run(asyncio.wait_for(test(), 30))


@pytest.mark.parametrize("beside", [0.0, np.nan, -np.inf])
def test_a_number_that_the_models_datatype_cannot_hold_fails_its_own_request(
    beside: float,
) -> None:
    async def test() -> None:
        loaded = LoadedRunner(RowWise(), INLINE, 1, 1.0, max_batch_rows=MAX_ROWS)
        good, bad = np.ones((1, 2)), np.array([[1e39, beside]])
        answers = await asyncio.gather(
            *(loaded.run({"x": x}, 1, Timing(), dtypes=FLOATS) for x in (good, bad, good)),
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
