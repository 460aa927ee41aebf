"""One training, some of whose processes are killed in the middle of it."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from services.db.tables import Attempt
from services.events import Event
from services.job_state import TERMINAL
from services.job_views import JobView
from tests.chaos.stacks import Stack
from tests.chaos.trainings import Trainings, check_ended_once, trained
from tests.workers.stations import events_of
from tests.workers.waiting import group_is_gone, wait_for
from tests.workers.worker_processes import WorkerProcess, ended

Victim = Literal["trainer", "worker", "both"]
"""The supervisor is a thread of the worker. Of a worker that is killed alone the trainer has to
end by itself; `both` is how the whole process group or host goes."""
VICTIMS: tuple[Victim, ...] = ("trainer", "worker", "both")
TRAINING, PUBLISHING = 0.7, 1.1
"""The latest kills, by the share of the steps: with time to spare, or some of them after the last
step, while files are made, tried and stored."""
HEADWAY = frozenset({"metrics", "checkpoint", "artifact"})
"""Events that show that a run goes on; `status`, too, if it is the last one."""


@dataclass(frozen=True)
class Kill:
    victim: Victim
    step: int
    """How far the job's row said that it was."""
    recovery_s: float
    """From the kill to the first sign of headway of the next attempt."""


@dataclass(frozen=True)
class Hands:
    """The processes that an attempt is in."""

    worker: WorkerProcess
    trainer: int

    def kill(self, victim: Victim) -> None:
        """SIGKILL, to all of them at once as far as that goes."""
        with suppress(ProcessLookupError):
            if victim != "worker":
                os.killpg(self.trainer, signal.SIGKILL)
        if victim != "trainer":
            self.worker.process.kill()
            self.worker.wait()
            wait_for(lambda: group_is_gone(self.trainer), "the trainer of a killed worker to end")


class Killing:
    """Makes trainings, and kills who makes them. Workers that were killed are started again, as
    `torchkiln up` and every supervisor of containers do."""

    def __init__(
        self,
        stack: Stack,
        trainings: Trainings,
        start: Callable[[], WorkerProcess],
        *,
        latest: float = PUBLISHING,
        seed: int = 0,
    ) -> None:
        self._stack = stack
        self._trainings = trainings
        self._start = start
        self._latest = latest
        self._random = random.Random(seed)

    def trial(self, name: str, victims: Sequence[Victim]) -> list[Kill]:
        """Train `name`, killing one attempt after the other, and compare what comes out."""
        container = self._stack.container
        job_id = self._trainings.submit(name)
        killed = [self._kill(job_id, number, who) for number, who in enumerate(victims, start=1)]
        view = ended(container, job_id)
        check_ended_once(view, *["lost" for _ in victims], "succeeded")
        assert trained(container, view) == self._trainings.left_alone(name)
        events = events_of(container, job_id)
        return [
            Kill(who, step, recovery_s(events, number + 1, at))
            for number, (who, step, at) in enumerate(killed, start=1)
        ]

    def _kill(self, job_id: str, number: int, victim: Victim) -> tuple[Victim, int, datetime]:
        view = wait_for(lambda: self._begun(job_id, number), f"attempt {number} to get somewhere")
        hands = hands_of(self._stack, view.attempts[-1])
        share = self._latest * self._random.random()
        step = self._reach(job_id, share, (view.job.progress or {})["step"])
        at = datetime.now(UTC)
        hands.kill(victim)
        if victim != "trainer":
            self._start()
        return victim, step, at

    def _begun(self, job_id: str, number: int) -> JobView | None:
        view = self._stack.container.jobs.get(job_id)
        if len(view.attempts) < number:
            return None
        events = events_of_attempt(events_of(self._stack.container, job_id), number)
        return view if any(event.type in HEADWAY for event in events) else None

    def _reach(self, job_id: str, share: float, begun: int) -> int:
        """Wait for a share of the steps that were left at `begun`. → how far the run is."""

        def far() -> int | None:
            job = self._stack.container.jobs.get(job_id).job
            assert job.status not in TERMINAL, "it was too fast to be killed"
            step, steps = (job.progress or {})["step"], (job.progress or {})["steps"]
            return step if step >= begun + share * (steps - begun) or step == steps else None

        step = wait_for(far, "the step to kill at")
        if share > 1:
            time.sleep(self._random.random())
        return step


def hands_of(stack: Stack, attempt: Attempt) -> Hands:
    """Who makes an attempt, by what the workers log."""
    for worker in stack.workers:
        for line in worker.said("attempt_started"):
            if (line["job_id"], line["attempt"]) == (attempt.job_id, attempt.number):
                return Hands(worker, line["trainer_pid"])
    raise AssertionError(f"no worker has begun attempt {attempt.number} of {attempt.job_id}")


def events_of_attempt(events: list[Event], number: int) -> list[Event]:
    """Those behind the news that it has begun."""
    starts = [event.seq for event in events if event.data.get("status") == "running"]
    return [event for event in events if event.seq > starts[number - 1]]


def recovery_s(events: list[Event], number: int, killed_at: datetime) -> float:
    headway = (
        event.created_at
        for event in events_of_attempt(events, number)
        if event.type in HEADWAY or event.data.get("status") in TERMINAL
    )
    return (next(headway) - killed_at).total_seconds()
