"""What the owner of a job may do to it, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from services.container import Container
from services.db.tables import Job
from services.errors import Conflict
from services.job_resume import Resume
from services.job_state import ACTIVE, JobStatus, Outcome
from services.leases import move
from tests.services import factories
from tests.services.conftest import RecordingQueue
from tests.services.refusals import refused
from tests.workers.waiting import wait_for


def test_a_queued_job_is_cancelled_at_once(container: Container) -> None:
    job_id = factories.submit(container)
    view = container.job_control.cancel(job_id)
    assert view.job.status == "cancelled"
    assert view.job.finished_at is not None
    assert container.attempts.claim(job_id, "worker-1") is None
    for stop in (container.job_control.cancel, container.job_control.kill):
        with pytest.raises(Conflict, match="cancelled") as caught:
            stop(job_id)
        assert caught.value.code == "invalid_state"


def test_a_running_job_is_asked_to_stop_and_a_kill_overrides_a_cancel(
    container: Container,
) -> None:
    claim = factories.running(container)
    assert container.job_control.cancel(claim.job.id).job.status == "cancelling"
    beat = container.attempts.look(claim)
    assert beat is not None
    assert (beat.status, beat.kill) == (JobStatus.CANCELLING, False)
    container.job_control.kill(claim.job.id)
    beat = container.attempts.look(claim)
    assert beat is not None
    assert beat.kill


def test_a_job_is_paused_and_goes_on_in_its_next_attempt(
    container: Container, queue: RecordingQueue
) -> None:
    claim = factories.running(container)
    job_id = claim.job.id
    assert container.job_control.pause(job_id).job.status == "pausing"
    beat = container.attempts.beat(claim)
    assert beat is not None
    assert (beat.status, beat.kill) == (JobStatus.PAUSING, False)
    assert container.attempts.finish(claim, Outcome.PAUSED) is JobStatus.PAUSED
    queue.woken.clear()

    view = container.job_control.resume(job_id)
    assert (view.job.status, view.job.counted_from) == ("queued", 2)
    assert queue.woken == [job_id]
    assert factories.claimed(container, job_id).number == 2
    moves = ["queued", "running", "pausing", "paused", "queued", "running"]
    assert [status for status, _ in container.jobs.get(job_id).transitions] == moves


def test_a_pause_can_be_taken_back_while_it_has_not_come_about(
    container: Container, queue: RecordingQueue
) -> None:
    claim = factories.running(container)
    job_id = claim.job.id
    container.job_control.pause(job_id)
    queue.woken.clear()
    for wish in (Resume(checkpoint="ckpt_none"), Resume(params={"epochs": 5})):
        with pytest.raises(Conflict, match="is pausing: a checkpoint and params need"):
            container.job_control.resume(job_id, wish)
    view = container.job_control.resume(job_id)
    assert (view.job.status, view.job.counted_from, queue.woken) == ("running", 1, [])
    assert container.attempts.succeed(claim, {}), "its attempt has the job all the while"


def test_what_failed_or_was_killed_begins_anew_without_its_error(container: Container) -> None:
    claim = factories.running(container)
    assert container.attempts.finish(claim, Outcome.ERROR, code="diverged", message="nan")
    job = container.job_control.resume(claim.job.id).job
    assert (job.status, job.counted_from) == ("queued", 2)
    assert (job.error_code, job.error_message, job.finished_at) == (None, None, None)

    claim = factories.claimed(container, claim.job.id)
    container.job_control.kill(claim.job.id)
    assert container.attempts.finish(claim, Outcome.CANCELLED) is JobStatus.CANCELLED
    job = container.job_control.resume(claim.job.id).job
    assert (job.status, job.counted_from, job.kill) == ("queued", 3, False)


def test_a_job_that_never_ran_is_taken_back_from_cancelled(container: Container) -> None:
    job_id = factories.submit(container)
    container.job_control.cancel(job_id)
    assert container.job_control.resume(job_id).job.counted_from == 1
    assert factories.claimed(container, job_id).number == 1


def in_state(container: Container, status: JobStatus) -> str:
    """→ the id of a job that has come there."""
    job_id = factories.submit(container)
    if status is JobStatus.QUEUED:
        return job_id
    claim, control = factories.claimed(container, job_id), container.job_control
    if status in {JobStatus.PAUSING, JobStatus.PAUSED}:
        control.pause(job_id)
    elif status in {JobStatus.CANCELLING, JobStatus.CANCELLED}:
        control.cancel(job_id)
    if status is JobStatus.SUCCEEDED:
        assert container.attempts.succeed(claim, {})
    elif status in ENDS:
        assert container.attempts.finish(claim, ENDS[status]) is status
    return job_id


ENDS = {
    JobStatus.PAUSED: Outcome.PAUSED,
    JobStatus.CANCELLED: Outcome.CANCELLED,
    JobStatus.FAILED: Outcome.ERROR,
}
WRONG = {
    "pause": set(JobStatus) - {JobStatus.RUNNING},
    "resume": {JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.CANCELLING, JobStatus.SUCCEEDED},
    "cancel": {*ENDS, JobStatus.CANCELLING, JobStatus.SUCCEEDED} - {JobStatus.PAUSED},
    "kill": {*ENDS, JobStatus.SUCCEEDED} - {JobStatus.PAUSED},
}


def test_a_wrong_state_is_named_and_stays(container: Container, queue: RecordingQueue) -> None:
    for status in JobStatus:
        job_id = in_state(container, status)
        assert container.jobs.get(job_id).job.status == status
        for verb in (verb for verb, wrong in WRONG.items() if status in wrong):
            act = getattr(container.job_control, verb)
            error = refused(container, queue, job_id, Conflict, act)
            assert error.code == "invalid_state"
            assert error.detail == f"cannot {verb} a job that is {status}"


def test_a_move_that_meets_another_is_refused_by_what_that_one_made_of_the_job(
    container: Container,
) -> None:
    """It waits for the other to commit, instead of judging by a state that is about to be past."""
    job_id = factories.running(container).job.id
    with ThreadPoolExecutor(1) as beside:
        with container.db.write() as session:
            session.execute(move(Job, job_id, ACTIVE, status=JobStatus.SUCCEEDED))
            cancelling = beside.submit(container.job_control.cancel, job_id)
            wait_for(lambda: cancelling.running() and waits(container), "it to wait")
        with pytest.raises(Conflict, match="cannot cancel a job that is succeeded"):
            cancelling.result()


def waits(container: Container) -> bool:
    """Whether somebody waits for a lock; SQLite does not tell."""
    if container.db.is_sqlite:
        return True
    with container.db.read() as session:
        sql = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        return bool(session.scalar(text(sql)))
