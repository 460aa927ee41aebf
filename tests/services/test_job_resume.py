"""From where, and with what, a job goes on when its owner resumes it; on both databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.claims import Claim
from services.container import Container
from services.errors import Invalid, NotFound
from services.job_resume import Resume
from services.job_state import Outcome
from tests.services import factories
from tests.services.conftest import RecordingQueue
from tests.services.refusals import refused
from tests.support.uploads import csv_bytes


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
