"""A loaded runner, and the two ways to run it: at once in the event loop, or in its own thread.

A call to a small model costs less than handing it to a thread would, so it runs where it is; one
that would hold up the event loop goes through a queue with one thread behind it. Which, is decided
by what the model was measured to take when it was loaded.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from models.backends import BACKENDS
from models.backends.base import Runner, Tensors
from models.rows import synthetic
from models.signature import Signature
from services.errors import Busy, Invalid
from services.serving.errors import Abandoned
from services.serving.stats import Timing

INLINE_S = 0.001
"""A call expected to take longer than this leaves the event loop to others."""

WARM_ROWS = 32
WARM_RUNS = 5
WARM_BUDGET_S = 0.1

log = structlog.get_logger(__name__)

Outputs = dict[str, NDArray[Any]]
Gone = Callable[[], Coroutine[Any, Any, None]]
"""Returns when the client that waits for an answer has gone away."""


@dataclass(frozen=True)
class Pace:
    """How long a call takes: so much for itself, and so much for each row."""

    call_s: float
    row_s: float

    def expected_s(self, rows: int) -> float:
        return self.call_s + self.row_s * rows


class LoadedRunner:
    """Use from the event loop only; what it runs elsewhere is its own affair."""

    def __init__(self, runner: Runner, pace: Pace, size_bytes: int, queue_limit_s: float) -> None:
        self.pace = pace
        self.size_bytes = size_bytes
        self._runner = runner
        self._queue_limit_s = queue_limit_s
        self._waiting_s = 0.0
        self._waiting = 0
        self._thread: ThreadPoolExecutor | None = None
        self._retired = False

    async def run(
        self, inputs: Tensors, rows: int, timing: Timing, gone: Gone | None = None
    ) -> Outputs:
        """The outputs for `rows` rows.

        Raises `Busy` if they would have to wait too long, `Invalid` if the model fails on them,
        and `Abandoned` if `gone` returned before they were run.
        """
        expected = self.pace.expected_s(rows)
        if expected <= INLINE_S and not self._waiting:
            return self._call(inputs, timing)
        if self._waiting_s > self._queue_limit_s:
            raise Busy(
                f"the model is busy for the next {self._waiting_s:.1f} s",
                retry_after_s=self._waiting_s,
            )
        return await _unless(gone, self._queued(inputs, expected, timing))

    def _queued(self, inputs: Tensors, expected: float, timing: Timing) -> asyncio.Future[Outputs]:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict")
        asked = time.perf_counter_ns()

        def work() -> Outputs:
            timing.queue_ns = time.perf_counter_ns() - asked
            return self._call(inputs, timing)

        self._waiting += 1
        self._waiting_s += expected
        call = self._thread.submit(work)
        call.add_done_callback(_on_loop(self._done, expected))
        return asyncio.wrap_future(call)

    def _done(self, expected: float) -> None:
        self._waiting -= 1
        self._waiting_s = self._waiting_s - expected if self._waiting else 0.0
        if self._retired and not self._waiting:
            self._close()

    def _call(self, inputs: Tensors, timing: Timing) -> Outputs:
        started = time.perf_counter_ns()
        try:
            outputs = self._runner.run(inputs)
        except Exception as error:  # whatever a model's library raises for what it cannot compute
            log.warning("inference_failed", error=type(error).__name__, reason=str(error)[:300])
            raise Invalid(
                "the model could not compute an answer to this input", code="inference_failed"
            ) from error
        timing.infer_ns = time.perf_counter_ns() - started
        return outputs

    def retire(self) -> None:
        """Give the memory back as soon as the last of those that wait has its answer."""
        self._retired = True
        if not self._waiting:
            self._close()

    def _close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=False)
        self._runner.close()


async def _unless(gone: Gone | None, answer: asyncio.Future[Outputs]) -> Outputs:
    """The answer, unless its client goes away: then the call is taken back if it has not begun."""
    if gone is None:
        return await answer
    watch = asyncio.ensure_future(gone())
    try:
        await asyncio.wait({answer, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise Abandoned
        return answer.result()
    finally:
        watch.cancel()
        answer.cancel()


def _on_loop(done: Callable[[float], None], expected: float) -> Callable[[object], None]:
    """A callback for any thread: `done(expected)` in this event loop, if it still runs."""
    loop = asyncio.get_running_loop()

    def callback(_future: object) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(done, expected)

    return callback


def load(
    backend: str, directory: Path, signature: Signature, *, size_bytes: int, queue_limit_s: float
) -> LoadedRunner:
    """Open a backend's file and warm it up; call it in a thread. Raises `ExportFailed`.

    A small model runs on one thread, which is as fast and leaves the other cores to others; one
    that takes longer is opened again with as many threads as its library finds good.
    """
    runner = BACKENDS[backend].load(directory, signature, threads=1)
    pace = measure(runner, signature, directory)
    if pace.expected_s(1) > INLINE_S:
        runner.close()
        runner = BACKENDS[backend].load(directory, signature)
        pace = measure(runner, signature, directory)
    return LoadedRunner(runner, pace, size_bytes, queue_limit_s)


def measure(runner: Runner, signature: Signature, directory: Path) -> Pace:
    """Warm the runner up with made-up rows, and see how long it takes for one and for many."""
    one = synthetic(signature, 1, seed=0, directory=directory)
    runner.run(one)
    call_s = _typical_s(runner, one)
    if call_s * WARM_ROWS > WARM_BUDGET_S:  # large: a row counts in full until measured better
        return Pace(0.0, call_s)
    many = {name: np.repeat(array, WARM_ROWS, axis=0) for name, array in one.items()}
    runner.run(many)
    row_s = max(_typical_s(runner, many) - call_s, 0.0) / (WARM_ROWS - 1)
    return Pace(max(call_s - row_s, 0.0), row_s)


def _typical_s(runner: Runner, inputs: Tensors) -> float:
    times: list[float] = []
    while len(times) < WARM_RUNS and sum(times) < WARM_BUDGET_S:
        started = time.perf_counter()
        runner.run(inputs)
        times.append(time.perf_counter() - started)
    return median(times)
