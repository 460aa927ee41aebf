"""What becomes of a job when an attempt at it ends, on both databases."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from services.attempt_ends import next_status
from services.attempts import Report
from services.container import Container
from services.db.tables import Attempt, Job
from services.errors import Unavailable
from services.events import NewEvent
from services.job_moves import transition
from services.job_state import JobStatus, Outcome
from tests.services import factories
from tests.services.conftest import RecordingQueue
from tests.services.test_attempts import PAST, let_lapse

S, E = JobStatus, Outcome


@pytest.mark.parametrize(
    ("status", "outcome", "target"),
    [
        (S.RUNNING, E.CANCELLED, S.CANCELLED),
        (S.RUNNING, E.RELEASED, S.QUEUED),
        (S.RUNNING, E.PAUSED, S.QUEUED),  # the pause was withdrawn
        (S.RUNNING, E.LOST, S.QUEUED),
        (S.RUNNING, E.TIMEOUT, S.FAILED),
        (S.RUNNING, E.ERROR, S.FAILED),
        (S.PAUSING, E.PAUSED, S.PAUSED),
        (S.PAUSING, E.RELEASED, S.PAUSED),
        (S.PAUSING, E.OOM, S.PAUSED),
        (S.PAUSING, E.STALLED, S.PAUSED),
        (S.PAUSING, E.TIMEOUT, S.PAUSED),
        (S.PAUSING, E.ERROR, S.FAILED),
        (S.CANCELLING, E.CANCELLED, S.CANCELLED),
        (S.CANCELLING, E.PAUSED, S.CANCELLED),  # cancelled while it was pausing
        (S.CANCELLING, E.LOST, S.CANCELLED),
        (S.CANCELLING, E.TIMEOUT, S.CANCELLED),
        (S.CANCELLING, E.ERROR, S.FAILED),
    ],
)
def test_the_owners_wish_comes_before_how_it_ended(
    status: JobStatus, outcome: Outcome, target: JobStatus
) -> None:
    assert next_status(status, outcome, may_try_again=True) is target
    retried = status is S.RUNNING and outcome is E.LOST
    last = next_status(status, outcome, may_try_again=False)
    assert last is (S.FAILED if retried else target)


def move(container: Container, job_id: str, target: JobStatus) -> None:
    """As the owner of a job does."""
    with container.db.write() as session:
        job = session.get_one(Job, job_id)
        transition(session, job, target, container.db.now(session))


def resume(container: Container, job_id: str, counted_from: int) -> None:
    move(container, job_id, JobStatus.QUEUED)
    with container.db.write() as session:
        session.execute(update(Job).where(Job.id == job_id).values(counted_from=counted_from))


def test_a_pause_costs_no_attempt_and_resuming_begins_a_new_count(
    container: Container, queue: RecordingQueue
) -> None:
    job_id = factories.submit(container)
    for _ in range(2):
        assert lose(container, job_id) is JobStatus.QUEUED
    claim = factories.claimed(container, job_id)
    move(container, job_id, JobStatus.PAUSING)
    beat = container.attempts.look(claim)
    assert beat is not None
    assert (beat.status, beat.kill) == (JobStatus.PAUSING, False)
    assert container.attempts.finish(claim, Outcome.PAUSED) is JobStatus.PAUSED
    job = container.jobs.get(job_id).job
    assert (job.finished_at, job.error_code) == (None, None)
    assert queue.woken == [job_id] * 3, "nothing waits for a paused job"

    move(container, job_id, JobStatus.QUEUED)
    assert lose(container, job_id) is JobStatus.FAILED, "it was the third that counts"
    resume(container, job_id, counted_from=5)
    ends = [lose(container, job_id) for _ in range(3)]
    assert ends == [JobStatus.QUEUED, JobStatus.QUEUED, JobStatus.FAILED]


def lose(container: Container, job_id: str) -> JobStatus | None:
    return container.attempts.finish(factories.claimed(container, job_id), Outcome.LOST)


def test_a_pause_that_was_withdrawn_too_late_queues_the_job_again(
    container: Container, queue: RecordingQueue
) -> None:
    claim = factories.running(container)
    for status in (JobStatus.PAUSING, JobStatus.RUNNING):
        move(container, claim.job.id, status)
    assert container.attempts.finish(claim, Outcome.PAUSED) is JobStatus.QUEUED
    assert queue.woken == [claim.job.id] * 2


def test_a_timeout_fails_the_job_and_says_so(container: Container) -> None:
    claim = factories.running(container)
    ended = container.attempts.finish(claim, Outcome.TIMEOUT, message="it ran for 5 s")
    job = container.jobs.get(claim.job.id).job
    assert (ended, job.error_code, job.error_message) == ("failed", "timeout", "it ran for 5 s")


def test_the_time_of_the_attempts_that_count_is_summed(container: Container) -> None:
    job_id = factories.submit(container)
    for seconds in (100, 20, 3):
        claim = factories.claimed(container, job_id)
        assert container.attempts.finish(claim, Outcome.RELEASED)
        with container.db.write() as session:
            row = session.get_one(Attempt, (job_id, claim.number))
            row.ended_at = row.started_at + timedelta(seconds=seconds)
            session.get_one(Job, job_id).counted_from = 2
    assert factories.claimed(container, job_id).ran_s == 23


def test_an_abandoned_checkpoint_is_passed_over_and_goes_when_the_job_has_come_as_far(
    container: Container, tmp_path: Path
) -> None:
    first = factories.running(container)
    add(container, first, tmp_path, 10, 20, 30, best=10)
    damaged = container.jobs.checkpoints(first.job.id)[0]
    assert container.attempts.finish(first, Outcome.LOST)
    claim = factories.claimed(container, first.job.id)
    told = NewEvent("log", "damaged", "warning")
    assert not container.attempt_files.abandon(first, [damaged.id], [told]), "it has lost the job"
    assert container.attempt_files.abandon(claim, [damaged.id], [told])
    assert container.attempts.finish(claim, Outcome.LOST)

    claim = factories.claimed(container, first.job.id)
    assert [point.step for point in claim.resume_points] == [20, 10]
    add(container, claim, tmp_path, 25)
    assert kept(container, claim.job.id) == [30, 25, 20, 10]
    add(container, claim, tmp_path, 30)
    assert kept(container, claim.job.id) == [30, 25, 10]
    assert damaged.id not in [row.id for row in container.jobs.checkpoints(claim.job.id)]
    assert len([*container.settings.files_dir.rglob("*.pt")]) == 3


def add(container: Container, claim: factories.Claim, at: Path, *steps: int, best: int = 0) -> None:
    for step in steps:
        new = factories.checkpoint(at, step=step, best=step == best)
        assert container.attempt_files.add_checkpoint(claim, new)


def kept(container: Container, job_id: str) -> list[int]:
    return [row.step for row in container.jobs.checkpoints(job_id)]


def test_a_file_that_cannot_be_deleted_does_not_write_a_checkpoint_twice(
    container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = factories.running(container)
    add(container, claim, tmp_path, 1, 2)

    def away(_: str) -> None:
        raise Unavailable("the object store does not answer")

    monkeypatch.setattr(container.storage, "delete", away)
    add(container, claim, tmp_path, 3)
    assert kept(container, claim.job.id) == [3, 2]


def test_whether_an_attempt_is_exact_is_kept(container: Container) -> None:
    claim = factories.running(container)
    assert container.attempts.record(claim, Report(exact=False))
    assert container.attempts.record(claim, Report([NewEvent("log", "on")]))
    assert [attempt.exact for attempt in container.jobs.get(claim.job.id).attempts] == [False]


def test_leases_are_swept_and_wake_ups_wait_while_the_broker_is_away(
    container: Container, queue: RecordingQueue
) -> None:
    claim = factories.running(container)
    waiting = factories.submit(container)
    let_lapse(container)
    with container.db.write() as session:
        session.execute(update(Job).values(woken_at=PAST))
    queue.broken = True
    swept = container.sweeper.sweep()
    assert (swept.lost, swept.woken) == (1, 0)
    assert container.jobs.get(claim.job.id).job.status == JobStatus.QUEUED
    queue.broken = False
    queue.woken.clear()
    assert container.sweeper.sweep().woken == 1
    assert queue.woken == [waiting], "at once, as it was not counted as sent"
