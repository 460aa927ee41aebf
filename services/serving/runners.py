"""A loaded runner and its queue: work-conserving batching, in the event loop or in a thread.

What arrives while a batch runs forms the next one, and nothing ever waits on a timer. A batch that
takes less than handing it to a thread would is run where it is; one that would hold up the event
loop goes to the runner's own thread. Which, is decided by what the model was measured to take when
it was loaded.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from models.backends.base import Binds, Runner, Tensors
from services.errors import Busy
from services.serving.batching import (
    Answer,
    Answered,
    Call,
    Dtypes,
    Outputs,
    Pieces,
    Ran,
    Work,
    cut,
)
from services.serving.execution import alone, deliver, execute, parted
from services.serving.gone import Gone, unless
from services.serving.pace import Pace
from services.serving.stats import PredictionStats, Timing, clock_ns

INLINE_S = 0.001
"""A batch expected to take longer than this leaves the event loop to others."""
MAX_BATCH_ROWS = 64
CROWD = 4
"""Calls that wait from which on more are likely to be on their way."""


class LoadedRunner:
    """Use from the event loop only; what it runs elsewhere is its own affair."""

    def __init__(
        self,
        runner: Runner,
        pace: Pace,
        size_bytes: int,
        queue_limit_s: float,
        *,
        max_batch_rows: int = MAX_BATCH_ROWS,
    ) -> None:
        self.size_bytes = size_bytes
        self.on_close: Callable[[], None] = lambda: None
        """Called once its memory has been given back."""
        self.on_use: Callable[[], object] = lambda: None
        """Called for each batch."""
        self.retired = False
        """Whether it takes no more calls."""
        self.provisional = False
        """Whether there may be a faster way to run it on this host, which nobody has looked for."""
        self.stats: PredictionStats | None = None
        """Where batches are counted."""
        self.bound = runner.bound if isinstance(runner, Binds) else _not_bound
        """That of `Binds`."""
        self._runner = runner
        self._queue_limit_s = queue_limit_s
        self.pace = pace
        self._max_rows = max_batch_rows
        self._queue: deque[Work] = deque()
        self._effort = 0
        """Rows that wait or run."""
        self._waiting = 0
        self._busy = False
        """Whether a batch runs or is about to."""
        self._thread: ThreadPoolExecutor | None = None

    @property
    def waiting(self) -> int:
        """Calls that wait or run."""
        return self._waiting

    @property
    def pace(self) -> Pace:
        return self._pace

    @pace.setter
    def pace(self, pace: Pace) -> None:
        self._pace = pace
        self._inline = pace.rows_within(INLINE_S)
        """Rows of a batch that is run in the event loop."""
        self.limit_wait(self._queue_limit_s)

    def limit_wait(self, queue_limit_s: float) -> None:
        """From now on, refuse whoever would wait longer."""
        self._queue_limit_s = queue_limit_s
        self._ample = max(self._pace.rows_within(queue_limit_s), 0.0)
        """Rows that may wait or run without anybody waiting too long."""

    async def run(
        self,
        inputs: Tensors,
        rows: int,
        timing: Timing,
        gone: Gone | None = None,
        *,
        effort: int | None = None,
        dtypes: Dtypes | None = None,
        timeout_s: float | None = None,
    ) -> Outputs:
        """The outputs for `rows` rows; `effort` and `dtypes` are those of `Call`.

        Raises `Busy` if they would wait too long, or have waited `timeout_s`; `Invalid` if the
        model fails on them; and `Abandoned` if `gone` returned before they were run.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outputs] = loop.create_future()
        deadline = None if timeout_s is None else loop.time() + timeout_s

        def answered(answer: Answer) -> None:
            _settle(future, answer)

        call = Call(inputs, rows, timing, answered, effort=effort, dtypes=dtypes, deadline=deadline)
        self.submit(call)
        try:
            # A batch that runs in the event loop is run before this task goes on.
            await asyncio.sleep(0)
            return future.result() if future.done() else await unless(gone, future)
        finally:
            self.drop(call)

    def submit(self, call: Work, *, look: bool = False) -> None:
        """Queue a call; its `answered` will be called.

        `look`: whether a batch of which it is the first lets the event loop look for more calls.
        Raises `Busy` if it would have to wait longer than the limit, or than its own deadline.
        """
        call.asked_ns = clock_ns()
        if self._effort > self._ample or (call.deadline is not None and self._waiting):
            self._refuse_if_late(call)
        if call.deadline is not None:
            loop = asyncio.get_running_loop()
            call.timer = loop.call_at(call.deadline, self._expire, call)
        if call.rows > self._max_rows:
            call.pieces = Pieces(call, self._max_rows)
            for piece in call.pieces.calls:
                piece.asked_ns = call.asked_ns
            self._queue.extend(call.pieces.calls)
            self._effort += sum(piece.effort for piece in call.pieces.calls)
            self._waiting += len(call.pieces.calls)
        else:
            self._queue.append(call)
            self._effort += call.effort
            self._waiting += 1
        if not self._busy:
            self._busy = True
            asyncio.get_running_loop().call_soon(self._look if look else self._next)

    def answer_at_once(self, call: Work) -> bool:
        """Run a call here and now, and answer it; → False where it has to be submitted, because
        others are before it or it would hold up the event loop."""
        if self._busy or call.effort > self._inline or call.rows > self._max_rows:
            return False
        self._busy = call.begun = True
        call.asked_ns = clock_ns()
        self._tell([(call, alone(self._runner, call, at_once=True))])
        self.on_use()
        self._rest()
        return True

    def drop(self, call: Work) -> bool:
        """Take a call back. → False if it has begun, or has been answered."""
        if call.timer is not None:
            call.timer.cancel()
        if call.pieces is not None:
            waiting = not call.pieces.ended
            call.pieces.ended = True
            for piece in call.pieces.calls:
                self.drop(piece)
            return waiting
        if call.begun:
            return False
        call.begun = True
        self._queue.remove(call)
        self._effort -= call.effort
        self._waiting -= 1
        return True

    def _refuse_if_late(self, call: Work) -> None:
        wait_s = self.pace.expected_s(self._effort)
        now = asyncio.get_running_loop().time()
        late = call.deadline is not None and now + wait_s > call.deadline
        if late or wait_s > self._queue_limit_s:
            raise Busy(f"the model is busy for the next {wait_s:.1f} s", retry_after_s=wait_s)

    def _expire(self, call: Work) -> None:
        if self.drop(call):
            late = "the deadline of the request passed while it waited for the model"
            call.answered(Busy(late, code="deadline_exceeded"))

    def _look(self) -> None:
        """Run the next batch, after one look at what came while its calls were read: it would wait
        for all of this batch, and then for its own."""
        if CROWD <= len(self._queue) < self._max_rows:
            asyncio.get_running_loop().call_soon(self._next)
        else:
            self._next()

    def _next(self) -> None:
        """Run the next batch, here or in the thread; with none left, rest."""
        if not self._queue:
            self._rest()
            return
        self.on_use()
        batch = cut(self._queue, self._max_rows)
        effort = rows = 0
        for call in batch:
            call.begun = True
            effort += call.effort
            rows += call.rows
            if call.timer is not None:
                call.timer.cancel()
        if effort <= self._inline:
            self._finish(batch, effort, execute(self._runner, batch, rows))
        else:
            self._hand_over(batch, effort, rows)

    def _hand_over(self, batch: Sequence[Work], effort: int, rows: int) -> None:
        loop = asyncio.get_running_loop()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict")

        def work() -> None:
            ran = execute(self._runner, batch, rows)
            with contextlib.suppress(RuntimeError):  # the event loop may have ended meanwhile
                loop.call_soon_threadsafe(self._finish, batch, effort, ran)

        self._thread.submit(work)

    def _finish(self, batch: Sequence[Work], effort: int, ran: Ran | Answered) -> None:
        self._effort -= effort
        self._waiting -= len(batch)
        if not isinstance(ran, Ran):
            self._tell(ran)
        else:
            if self.stats is not None:
                self.stats.ran(ran.rows, ran.spent_ns)
            if ran.group is None or not ran.group.answer(batch, ran):
                deliver(parted(batch, ran))
        if self._queue:
            asyncio.get_running_loop().call_soon(self._next)
        else:
            self._rest()

    def _tell(self, answered: Answered) -> None:
        """Of calls that were run one by one. They are counted while the clients read."""
        deliver(answered)
        if self.stats is not None:
            for call, answer in answered:
                if not isinstance(answer, Exception):
                    self.stats.ran(call.rows, call.infer_ns)

    def _rest(self) -> None:
        self._busy = False
        if self.retired:
            self._close()

    def retire(self) -> None:
        """Give the memory back as soon as the last of those that wait has its answer."""
        self.retired = True
        if not self._busy:
            self._close()

    def _close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=False)
        self._runner.close()
        self.on_close()


def _not_bound(_shape: tuple[int, ...]) -> None:
    return None


def _settle(future: asyncio.Future[Outputs], answer: Answer) -> None:
    if future.done():  # cancelled: nobody waits any more
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
