from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import numpy as np
import pytest

from models.backends import BACKENDS
from services.errors import Busy, Invalid
from services.serving.errors import Abandoned
from services.serving.loading import load, measure
from services.serving.pace import Pace
from services.serving.runners import INLINE_S, LoadedRunner
from services.serving.stats import Timing
from tests.support.gated import SLOW, Gated, X
from tests.support.models import FunctionRunner
from tests.support.published import exported, trained

T = TypeVar("T")

QUICK = Pace(0.0, 1e-6)


def run(test: Callable[[], Awaitable[T]]) -> T:
    async def main() -> T:
        return await asyncio.wait_for(test(), 30)

    return asyncio.run(main())


def test_a_quick_call_runs_where_it_is() -> None:
    names: list[str] = []
    inner = FunctionRunner(
        lambda x: x + 1, before=lambda: names.append(threading.current_thread().name)
    )

    async def test() -> Any:
        timing = Timing()
        outputs = await LoadedRunner(inner, QUICK, 1, 1.0).run(X, 1, timing)
        assert timing.infer_ns > 0
        assert timing.queue_ns > 0
        return outputs

    assert run(test)["answer"].tolist() == [[2, 3]]
    assert names == [threading.main_thread().name]


def test_a_batch_that_would_hold_up_the_event_loop_leaves_it_to_others() -> None:
    names: list[str] = []
    inner = FunctionRunner(
        lambda x: x, before=lambda: names.append(threading.current_thread().name)
    )
    rows = int(INLINE_S / QUICK.row_s) + 1
    loaded = LoadedRunner(inner, QUICK, 1, 1.0, max_batch_rows=rows)
    many = {"x": np.repeat(X["x"], rows, axis=0)}
    assert len(run(lambda: loaded.run(many, rows, Timing()))["answer"]) == rows
    assert len(names) == 1
    assert names[0].startswith("predict")


def test_slow_calls_wait_in_line_for_one_thread_and_the_event_loop_goes_on() -> None:
    async def test() -> None:
        model = Gated()
        asked = [model.ask() for _ in range(3)]
        await model.entered(1)
        model.gate.release(3)
        answers = await asyncio.gather(*asked)
        assert [answer["answer"].tolist() for answer in answers] == [[[2, 4]]] * 3
        assert len(model.threads) == 1
        assert model.rows == [3]
        model.loaded.retire()

    run(test)


def test_one_who_would_wait_too_long_is_told_when_to_come_again() -> None:
    async def test() -> None:
        model = Gated(queue_limit_s=0.15)
        asked = [model.ask() for _ in range(2)]
        await model.entered(1)
        with pytest.raises(Busy) as caught:
            await model.ask()
        assert caught.value.retry_after_s == pytest.approx(0.2)
        model.gate.release(2)
        await asyncio.gather(*asked)
        await asyncio.sleep(0)
        model.gate.release()
        await model.ask()  # there is room again

    run(test)


def test_a_call_whose_client_has_gone_is_not_run() -> None:
    async def test() -> None:
        model = Gated()
        left = asyncio.Event()

        async def gone() -> None:
            await left.wait()

        first = model.ask()
        await model.entered(1)
        second, third = model.ask(gone=gone), model.ask(gone=_never)
        await asyncio.sleep(0.01)
        left.set()
        with pytest.raises(Abandoned):
            await second
        model.gate.release(3)
        await asyncio.gather(first, third)
        assert model.rows == [1, 1]

    run(test)


async def _never() -> None:
    await asyncio.Event().wait()


def test_a_retired_runner_is_closed_after_the_last_who_waits_for_it() -> None:
    async def test() -> None:
        model = Gated()
        asked = [model.ask(), model.ask()]
        await model.entered(1)
        model.loaded.retire()
        assert not model.inner.closed
        model.gate.release(2)
        await asyncio.gather(*asked)
        while not model.inner.closed:
            await asyncio.sleep(0)
        idle = Gated()
        idle.loaded.retire()
        assert idle.inner.closed

    run(test)


def test_whatever_the_models_library_raises_is_an_answer_without_its_words() -> None:
    def fail(_: Any) -> Any:
        raise RuntimeError("/usr/lib/secret.so: shape mismatch")

    for pace in (QUICK, SLOW):
        loaded = LoadedRunner(FunctionRunner(fail), pace, 1, 1.0)
        with pytest.raises(Invalid) as caught:
            run(lambda loaded=loaded: loaded.run(X, 1, Timing()))
        assert caught.value.code == "inference_failed"
        assert "secret" not in caught.value.detail


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_loads_warm_and_knows_its_pace(backend: str) -> None:
    made = exported("binary")
    loaded = load(
        backend, made.files[0].path.parent, made.signature, size_bytes=5, queue_limit_s=1.0
    )
    assert 0 < loaded.pace.expected_s(1) <= loaded.pace.expected_s(1_000_000)
    rows = trained("binary").heldout
    outputs = run(lambda: loaded.run(rows, 48, Timing()))
    assert outputs["answer"].shape == (48, 2)
    loaded.retire()


def test_a_large_models_pace_is_that_of_its_rows() -> None:
    """So that a batch is expected to take as long as its rows do one by one."""
    clock = threading.Event()
    inner = FunctionRunner(lambda x: x, before=lambda: clock.wait(0.005) and None)
    made = exported("binary")
    pace = measure(inner, made.signature, made.files[0].path.parent)
    assert pace.call_s == 0
    assert pace.row_s >= 0.005
