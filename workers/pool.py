"""Warm trainers: started before there is work for them, one fresh process a job."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog

from workers.messages import Message
from workers.process import TrainerProcess

START_TIMEOUT_S = 180.0
"""Importing torch from a cold disk may take a while; longer than this and something is wrong."""
RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)

log: Any = structlog.get_logger(__name__)

Spawn = Callable[[Callable[[], None]], TrainerProcess]
"""Starts a trainer that calls back when its state changes."""


class TrainerPool:
    """Keeps one trainer warm as long as a slot is free, and one for each that is waited for.

    While every slot trains there is no spare one: it would hold half a gigabyte and, while it
    starts, take processors from the runs. `spare` says that a run needs them no more.
    """

    def __init__(self, slots: int, spawn: Spawn) -> None:
        self._slots = slots
        self._spawn = spawn
        self._state = threading.Condition()
        self._starting: dict[TrainerProcess, float] = {}
        self._warm: list[TrainerProcess] = []
        self._taken: set[TrainerProcess] = set()
        self._waiting = 0
        self._free = slots
        self._failures = 0
        self._retry_at = 0.0
        self._closed = False
        self.ready: Message | None = None
        """What the first trainer said of this host."""
        self.started = self.failed = 0
        """Trainers so far; of them those that ended before they were ready."""
        self._thread = threading.Thread(target=self._run, name="trainer-pool", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take(self) -> TrainerProcess | None:
        """Wait for a warm trainer, for one job. None: the pool is closed.

        It is to be handed back by `put_back` if it was not used, else by `done`.
        """
        with self._state:
            self._waiting += 1
            self._free -= 1
            self._state.notify_all()
            self._state.wait_for(lambda: self._warm or self._closed)
            self._waiting -= 1
            if self._closed:
                self._free += 1
                return None
            trainer = self._warm.pop(0)
            self._taken.add(trainer)
            return trainer

    def states(self) -> dict[str, int]:
        """How many trainers there are, by what they do."""
        with self._state:
            taken, warm, starting = map(len, (self._taken, self._warm, self._starting))
        return {"starting": starting, "warm": warm, "taken": taken}

    def widen(self, slots: int) -> None:
        """There are so many slots more."""
        with self._state:
            self._free += slots
            self._state.notify_all()

    def put_back(self, trainer: TrainerProcess) -> None:
        with self._state:
            self._taken.discard(trainer)
            self._free += 1
            if not self._closed and trainer.exit is None:
                self._warm.append(trainer)
            else:
                trainer.kill("closed")
            self._state.notify_all()

    def spare(self, trainer: TrainerProcess) -> None:
        """`trainer` has done the hard part of its job: a good moment to warm up the next."""
        with self._state:
            if trainer in self._taken:
                self._taken.remove(trainer)
                self._free += 1
                self._state.notify_all()

    def done(self, trainer: TrainerProcess) -> None:
        """The job of `trainer` has ended; so does the process."""
        trainer.kill("done")
        trainer.wait()
        self.spare(trainer)

    def refill(self) -> None:
        """Wait until a trainer is warm, or the pool is closed.

        A slot that is free sooner takes a message that a worker with a warm trainer could act on at
        once, and nobody sends another one for a while.
        """
        with self._state:
            self._state.wait_for(lambda: self._warm or self._closed)

    def close(self) -> None:
        """Give out no more trainers, and end those that have no work."""
        with self._state:
            self._closed = True
            idle = [*self._warm, *self._starting]
            self._state.notify_all()
        for trainer in idle:
            trainer.kill("closed")
        for trainer in idle:
            trainer.wait()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        with self._state:
            while not self._closed:
                self._sort()
                self._refill()
                self._state.wait(self._patience())

    def _sort(self) -> None:
        """See which trainers have become ready, and which have ended untimely."""
        for trainer, since in [*self._starting.items()]:
            if trainer.exit is not None:
                del self._starting[trainer]
                self._failed(trainer)
            elif trainer.ready is not None:
                del self._starting[trainer]
                self._failures = 0
                self._warm.append(trainer)
                self.ready = self.ready or trainer.ready
                self._state.notify_all()
            elif time.monotonic() > since + START_TIMEOUT_S:
                trainer.kill("timeout")
        self._warm = [trainer for trainer in self._warm if trainer.exit is None]

    def _failed(self, trainer: TrainerProcess) -> None:
        delay = RETRY_S[min(self._failures, len(RETRY_S) - 1)]
        self._failures += 1
        self.failed += 1
        self._retry_at = time.monotonic() + delay
        assert trainer.exit is not None  # noqa: S101 - it is why we are here
        log.error(
            "trainer_did_not_start",
            returncode=trainer.exit.returncode,
            stderr=trainer.exit.stderr,
            next_try_in_s=delay,
        )

    def _refill(self) -> None:
        wanted = self._waiting + (1 if self._free > 0 else 0)
        while len(self._warm) + len(self._starting) < wanted and time.monotonic() >= self._retry_at:
            try:
                self._starting[self._spawn(self._changed)] = time.monotonic()
                self.started += 1
            except OSError as error:
                log.error("trainer_not_spawned", reason=error.strerror)
                self._retry_at = time.monotonic() + RETRY_S[-1]

    def _patience(self) -> float | None:
        """Seconds until there may be something to do unasked."""
        now = time.monotonic()
        times = [since + START_TIMEOUT_S + 1 for since in self._starting.values()]
        if self._retry_at > now:
            times.append(self._retry_at)
        return max(0.01, min(times) - now) if times else None

    def _changed(self) -> None:
        """Called from a trainer's listener."""
        with self._state:
            self._state.notify_all()
