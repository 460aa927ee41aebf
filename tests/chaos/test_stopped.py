"""Who is stopped for so long that another one takes over has nothing to say any more."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from services.container import Container
from services.db.tables import Artifact, Checkpoint
from tests.chaos.figures import Figures
from tests.chaos.kills import Hands, events_of_attempt, hands_of
from tests.chaos.stacks import BRISK, DEFAULTS, EXACT, WORKER, Stack
from tests.chaos.trainings import TRAININGS, Trained, Trainings, check_ended_once, trained
from tests.workers.stations import events_of
from tests.workers.waiting import group_is_gone, stands_still, wait_for
from tests.workers.worker_processes import WorkerProcess, ended, in_training

BOTH, SUPERVISOR = "worker and trainer", "worker alone"
"""In the second case the trainer goes on meanwhile, and all that it says is there to be read when
its supervisor wakes up."""


@dataclass(frozen=True)
class Stopped:
    """A job whose first attempt stands still."""

    job_id: str
    hands: Hands

    @classmethod
    def stop(cls, stack: Stack, job_id: str, who: str) -> Stopped:
        in_training(stack.container, job_id)
        hands = hands_of(stack, stack.container.jobs.get(job_id).attempts[0])
        if who == BOTH:
            os.killpg(hands.trainer, signal.SIGSTOP)
        _stop(hands.worker)
        while stack.container.db.is_sqlite and is_locked(stack.settings.data_dir):
            hands.worker.signal(signal.SIGCONT)
            time.sleep(0.01)
            _stop(hands.worker)
        return cls(job_id, hands)

    def wake(self, who: str) -> None:
        # The supervisor ends its trainer by itself where the moments it was let go on for fall
        # past its deadline; there is nobody to wake then.
        with suppress(ProcessLookupError):
            if who == BOTH:
                os.killpg(self.hands.trainer, signal.SIGCONT)
        self.hands.worker.signal(signal.SIGCONT)


def _stop(worker: WorkerProcess) -> None:
    """And wait until it has stopped: what it does until then may be to take a lock."""
    worker.signal(signal.SIGSTOP)
    wait_for(lambda: stands_still(worker.process.pid), "the worker to stop")


def is_locked(data_dir: Path) -> bool:
    """Whether somebody writes to SQLite's file. Who is stopped while he does has the lock until he
    wakes up or is killed, which takes none of the promises back but holds up everybody."""
    connection = sqlite3.connect(data_dir / "torchkiln.db", timeout=0.05, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return True
    finally:
        connection.close()
    return False


def files_of(container: Container, job_id: str, attempt: int) -> set[str]:
    """Keys of stored files that an attempt has made and a row refers to."""
    directory = f"jobs/{job_id}/{attempt}/"
    with container.db.read() as session:
        keys = [
            key
            for table in (Checkpoint, Artifact)
            for key in session.scalars(select(table.key).where(table.job_id == job_id))
        ]
    return {key for key in keys if key.startswith(directory)}


def take_over(
    stack: Stack, trainings: Trainings, names: Sequence[str], command: Sequence[str], **more: str
) -> list[Trained]:
    """Stop the first attempt at each of `names`, and wake it when the second one has begun.
    `names` alternate between both ways to stop one. → what they come to."""
    ways = [(BOTH, SUPERVISOR)[number % 2] for number in range(len(names))]
    for _ in names:
        stack.worker(*command, **more)
    job_ids = [trainings.submit(name) for name in names]
    with ThreadPoolExecutor(len(names)) as each:
        stopped = [*each.map(partial(Stopped.stop, stack), job_ids, ways)]
    stack.worker(*command, **more, TORCHKILN_JOB_SLOTS=str(len(names)))
    for one, way in zip(stopped, ways, strict=True):
        _second_attempt(stack.container, one.job_id)
        before = files_of(stack.container, one.job_id, 1)
        one.wake(way)
        said = one.hands.worker.said
        wait_for(lambda said=said: said("lease_lost"), "the first attempt to find that it is over")
        wait_for(lambda one=one: group_is_gone(one.hands.trainer), "its trainer to end")
        assert files_of(stack.container, one.job_id, 1) <= before
    return [_taken_over(stack, job_id) for job_id in job_ids]


def _second_attempt(container: Container, job_id: str) -> None:
    wait_for(lambda: len(container.jobs.get(job_id).attempts) == 2, "the second attempt")


def _taken_over(stack: Stack, job_id: str) -> Trained:
    """What the second attempt has made; everything since its beginning is its own."""
    view = ended(stack.container, job_id)
    check_ended_once(view, "lost", "succeeded")
    said = events_of_attempt(events_of(stack.container, job_id), 2)
    epochs = [event.data["epoch"] for event in said if event.type == "metrics"]
    assert epochs == [*range(epochs[0], epochs[0] + len(epochs))]
    assert {event.data.get("attempt", 2) for event in said} == {2}
    return trained(stack.container, view)


@pytest.mark.slow
def test_an_attempt_that_was_stopped_past_its_lease_commits_nothing(small: Stack) -> None:
    trainings = Trainings.short(small.container)
    # Longer than in other short forms: here three workers and as many trainers share the machine.
    patient = BRISK | {"TORCHKILN_LEASE_S": "12"}
    one, other = take_over(small, trainings, ["exact", "exact"], EXACT, **patient)
    assert one == other


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_attempts_that_were_stopped_commit_nothing(stack: Stack, figures: Figures) -> None:
    trainings = Trainings.real(stack.container)
    names = [*TRAININGS, *TRAININGS]
    made = take_over(stack, trainings, names, WORKER, **DEFAULTS, TORCHKILN_THREADS_PER_JOB="1")
    for name, one in zip(names, made, strict=True):
        assert one == trainings.left_alone(name)
    figures.note("stopped", stopped=len(names))
