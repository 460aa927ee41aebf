"""What the owner of a job may do to it, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from services.claims import Claim
from services.container import Container
from services.db.tables import Job
from services.errors import Conflict, Invalid, NotFound, ServiceError
from services.job_resume import Resume
from services.job_state import ACTIVE, JobStatus, Outcome
from services.leases import move
from tests.services import factories
from tests.services.conftest import RecordingQueue
from tests.support.uploads import csv_bytes
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


def test_a_job_whose_dataset_was_deleted_cannot_go_on(
    container: Container, queue: RecordingQueue
) -> None:
    dataset = factories.upload(container, csv_bytes())
    claim = factories.running(container, pipeline="tabular-classification", dataset=dataset)
    assert container.attempts.finish(claim, Outcome.ERROR)
    container.datasets.delete(dataset)
    error = refused(container, queue, claim.job.id, Invalid, container.job_control.resume)
    assert [(e.field, e.message) for e in error.errors] == [
        ("dataset", f"there is no dataset {dataset!r}")
    ]


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


def refused(
    container: Container,
    queue: RecordingQueue,
    job_id: str,
    kind: type[ServiceError],
    act: Callable[..., Any],
    *wish: Resume,
) -> ServiceError:
    """The act is, and leaves everything as it was."""
    before = everything(container, job_id), [*queue.woken]
    with pytest.raises(kind) as caught:
        act(job_id, *wish)
    assert (everything(container, job_id), queue.woken) == before
    return caught.value


def everything(container: Container, job_id: str) -> list[dict[str, Any]]:
    rows = [container.jobs.get(job_id).job, *container.jobs.checkpoints(job_id)]
    return [
        {name: value for name, value in vars(row).items() if not name.startswith("_")}
        for row in rows
    ]


def with_checkpoints(container: Container, tmp_path: Path, *steps: int) -> Claim:
    """→ the claim of a job that failed after these; the last of them is the best."""
    claim = factories.running(container, params={"epochs": 50})
    for step in steps:
        new = factories.checkpoint(tmp_path, step=step, best=step == steps[-1])
        assert container.attempt_files.add_checkpoint(claim, new)
    assert container.attempts.finish(claim, Outcome.ERROR)
    return claim


def marks(container: Container, job_id: str) -> list[tuple[int, bool, bool]]:
    rows = container.jobs.checkpoints(job_id)
    return [(row.step, row.best, row.abandoned) for row in rows]


def test_a_job_goes_back_to_the_checkpoint_that_is_named(
    container: Container, tmp_path: Path
) -> None:
    job_id = with_checkpoints(container, tmp_path, 10, 20).job.id
    late, early = container.jobs.checkpoints(job_id)
    container.job_control.resume(job_id, Resume(checkpoint=early.id))
    assert marks(container, job_id) == [(20, False, True), (10, False, False)]
    claim = factories.claimed(container, job_id)
    assert [point.id for point in claim.resume_points] == [early.id]
    told = container.events.list(job_id).data[-2]
    assert told.data == {"status": "queued", "checkpoint": early.id}

    assert container.attempts.finish(claim, Outcome.ERROR)
    container.job_control.resume(job_id, Resume(checkpoint=late.id))
    assert marks(container, job_id) == [(20, False, False), (10, False, False)]
    claim = factories.claimed(container, job_id)
    assert [point.id for point in claim.resume_points] == [late.id, early.id]


def test_another_jobs_checkpoint_is_none_of_this_one(
    container: Container, queue: RecordingQueue, tmp_path: Path
) -> None:
    job_id = with_checkpoints(container, tmp_path, 10).job.id
    other = with_checkpoints(container, tmp_path, 10).job.id
    for checkpoint in (container.jobs.checkpoints(other)[0].id, "ckpt_none", ""):
        wish = Resume(checkpoint=checkpoint)
        act = container.job_control.resume
        error = refused(container, queue, job_id, NotFound, act, wish)
        assert error.code == "checkpoint_not_found"


def test_a_job_goes_on_for_more_epochs(container: Container, tmp_path: Path) -> None:
    job_id = with_checkpoints(container, tmp_path, 10, 20).job.id
    changes = {"epochs": 60, "checkpoint_every": 2, "variants": ["int8"]}
    same = {"batch_size": 32, "optimizer": {"lr": 0.01}}
    before = container.jobs.get(job_id).job.params
    view = container.job_control.resume(job_id, Resume(params={**changes, **same}))
    assert view.job.params == {**before, **changes}
    assert container.events.list(job_id).data[-1].data["params"] == {**changes, **same}
    assert marks(container, job_id) == [(20, True, False), (10, False, False)]


NOT_ALLOWED: list[tuple[dict[str, Any], str, str]] = [
    ({"batch_size": 64}, "batch_size", "expected 32, as the checkpoint was made with, got 64"),
    ({"optimizer": {"lr": 1}}, "optimizer.lr", "expected 0.01, as the checkpoint was made with,"),
    ({"hidden": [8]}, "hidden", "expected [16, 16], as the checkpoint was made with, got [8]"),
    ({"epochs": 19}, "epochs", "expected at least 20, as the checkpoint has them, got 19"),
    ({"epochs": 0}, "epochs", "expected greater than or equal to 1, got 0"),
    ({"epochs": None}, "epochs", "expected a valid integer, got None"),
    ({"epoch": 30}, "epoch", "unknown field, expected one of"),
    ({"optimizer": 7}, "optimizer", "got 7"),
]


def test_params_that_the_checkpoint_does_not_allow_are_named(
    container: Container, queue: RecordingQueue, tmp_path: Path
) -> None:
    job_id = with_checkpoints(container, tmp_path, 10, 20).job.id
    for params, field, message in NOT_ALLOWED:
        act, wish = container.job_control.resume, Resume(params=params)
        error = refused(container, queue, job_id, Invalid, act, wish)
        assert error.code == "invalid_params"
        assert [found.field for found in error.errors] == [f"params.{field}"]
        assert message in error.errors[0].message


def test_epochs_that_a_later_checkpoint_was_past_do_for_an_earlier_one(
    container: Container, queue: RecordingQueue, tmp_path: Path
) -> None:
    job_id = with_checkpoints(container, tmp_path, 10, 20).job.id
    late, early = container.jobs.checkpoints(job_id)
    container.job_control.resume(job_id, Resume(early.id, {"epochs": 15}))
    assert container.attempts.finish(factories.claimed(container, job_id), Outcome.ERROR)
    act = container.job_control.resume
    error = refused(container, queue, job_id, Invalid, act, Resume(late.id))
    assert error.errors[0].message == "expected at least 20, as the checkpoint has them, got 15"


def test_before_there_is_a_checkpoint_any_param_may_change(container: Container) -> None:
    factories.published(container, model="teacher")
    claim = factories.running(container, pipeline="transfer-learning")
    assert container.attempts.finish(claim, Outcome.ERROR)
    wish = Resume(params={"base": "teacher@champion", "optimizer": {"weight_decay": 0.5}})
    params = container.job_control.resume(claim.job.id, wish).job.params
    assert params["base"] == "teacher@1", "pinned, as when a job is submitted"
    assert params["optimizer"] == {**claim.job.params["optimizer"], "weight_decay": 0.5}


def test_params_nested_without_end_are_not_looked_at() -> None:
    nested: dict[str, Any] = {}
    for _ in range(900):
        nested = {"optimizer": nested}
    with pytest.raises(Invalid, match="cannot go on") as caught:
        Resume(params=nested)
    assert caught.value.errors[0].field == "params"
