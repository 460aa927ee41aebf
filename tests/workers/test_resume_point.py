"""An attempt goes on at the latest checkpoint that can be used, and says which ones cannot."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from pathlib import Path

import pytest

from services.claims import ResumePoint
from services.container import Container
from services.events import Event
from services.job_state import JobStatus
from services.storage import FileStorage
from tests.workers.stations import events_of, outcomes, station, submit
from workers.resume_point import find
from workers.station import Station
from workers.supervisor import JobSupervisor


@pytest.fixture
def here(local_container: Container) -> Generator[Station]:
    with station(local_container) as made:
        yield made


def warnings(container: Container, job_id: str) -> list[Event]:
    return [event for event in events_of(container, job_id) if event.level == "warning"]


WHOLE = b"as it was saved"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"as it wAs saved", "expected the sha256 "),
        (b"as it was", "expected 15 bytes, got 9"),
        (None, "its file is gone"),
    ],
    ids=["changed", "cut", "gone"],
)
def test_the_first_file_that_is_whole_is_taken(
    content: bytes | None, problem: str, tmp_path: Path
) -> None:
    storage = FileStorage(tmp_path)
    points = [point(step) for step in (3, 2, 1)]
    for each, data in zip(points, (content, WHOLE, WHOLE), strict=True):
        if data is not None:
            (tmp_path / each.key).write_bytes(data)
    found = find(points, storage.local_path)
    assert (found.point, found.path) == (points[1], tmp_path / "step-2")
    ((damaged, told),) = found.damaged
    assert damaged is points[0]
    assert told.startswith(problem)
    assert str(tmp_path) not in told


def point(step: int) -> ResumePoint:
    digest = hashlib.sha256(WHOLE).hexdigest()
    return ResumePoint(f"ckpt_{step}", step, step, f"step-{step}", len(WHOLE), digest)


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(here: Station) -> None:
    container = here.container
    job_id = submit(container, "count", epochs=4, crash_at=3, once=True)
    JobSupervisor(here).run(job_id)
    damaged, before = container.jobs.checkpoints(job_id)
    file = container.storage.local_path(damaged.key)
    file.unlink()  # it may be the trainer's own file by another name
    file.write_text("31")
    JobSupervisor(here).run(job_id)
    view = container.jobs.get(job_id)
    assert (view.job.status, outcomes(view)) == (JobStatus.SUCCEEDED, ["lost", "succeeded"])
    assert view.job.results["began"] == before.step == 20
    (told,) = warnings(container, job_id)
    assert told.message.startswith(f"the checkpoint {damaged.id} (epoch 3, step 30) is damaged: ")
    assert "expected the sha256 " in told.message
    assert told.message.endswith(
        f"; going on from the checkpoint {before.id} (epoch 2, step 20) instead"
    )
    assert (told.data["checkpoint"], told.data["instead"]) == (damaged.id, before.id)
    assert damaged.id not in [row.id for row in container.jobs.checkpoints(job_id)]


def test_one_that_only_the_trainer_can_see_is_unusable_is_passed_over_next_time(
    here: Station,
) -> None:
    container = here.container
    job_id = submit(container, "count", epochs=4, crash_at=3, once=True, refuse=30, exact=False)
    for _ in range(3):
        JobSupervisor(here).run(job_id)
    view = container.jobs.get(job_id)
    assert outcomes(view) == ["lost", "lost", "succeeded"]
    assert view.job.results["began"] == 20
    refused, inexact = warnings(container, job_id)
    assert refused.message.endswith(
        "(epoch 3, step 30) cannot be used: it is of another format; "
        "the next attempt passes it over"
    )
    assert inexact.data["differences"] == {"threads": [1, 2]}
    assert "threads" in inexact.message
    assert [attempt.exact for attempt in view.attempts] == [True, None, False]
