"""Attempts at jobs, from the claim to the end, over a real database and real trainers."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator
from typing import Any

import pytest

from services.container import Container
from services.errors import Unavailable
from services.job_state import JobStatus
from tests.workers.stations import events_of, outcomes, station, submit
from tests.workers.waiting import group_is_gone, wait_for
from workers.station import Station
from workers.supervisor import JobSupervisor


@pytest.fixture
def container(local_container: Container) -> Container:
    return local_container


@pytest.fixture
def here(container: Container) -> Generator[Station]:
    with station(container) as made:
        yield made


class Running:
    """A supervisor at work in a thread."""

    def __init__(self, here: Station, job_id: str) -> None:
        self.container = here.container
        self.job_id = job_id
        self._thread = threading.Thread(target=JobSupervisor(here).run, args=(job_id,))
        self._thread.start()
        wait_for(lambda: self.told("checkpoint"), "the first checkpoint")

    def told(self, kind: str) -> int:
        return sum(event.type == kind for event in events_of(self.container, self.job_id))

    def join(self) -> Any:
        self._thread.join(120)
        assert not self._thread.is_alive()
        return self.container.jobs.get(self.job_id)


def trainer_of(here: Station) -> int:
    (trainer,) = here.pool._taken
    return trainer.pid


def test_a_job_succeeds_with_all_that_its_run_told(container: Container, here: Station) -> None:
    job_id = submit(container, "count", epochs=3)
    JobSupervisor(here).run(job_id)
    view = container.jobs.get(job_id)
    job = view.job
    assert job.status == JobStatus.SUCCEEDED
    assert job.results == {"counted": 30, "began": 0, "device": "cpu"}
    assert (job.placed_device, job.model_version, job.error_code) == ("cpu", None, None)
    assert job.metrics == {"loss": 1 / 30}
    assert job.progress == {
        "epoch": 3,
        "epochs": 3,
        "step": 30,
        "steps": 30,
        "percent": 100.0,
        "eta_s": 0.0,
    }
    assert outcomes(view) == ["succeeded"]
    told = [event for event in events_of(container, job_id) if event.type != "status"]
    assert [event.type for event in told] == [*["metrics", "checkpoint"] * 3, "artifact"]
    assert [status for status, _ in view.transitions] == ["queued", "running", "succeeded"]


def test_files_are_in_storage_and_the_work_directory_is_gone(
    container: Container, here: Station
) -> None:
    job_id = submit(container, "count", epochs=2)
    JobSupervisor(here).run(job_id)
    (artifact,) = container.jobs.artifacts(job_id)
    assert container.storage.local_path(artifact.key).read_text() == "[20]"
    latest, before = container.jobs.checkpoints(job_id)
    assert (latest.step, before.step) == (20, 10)
    assert container.storage.local_path(latest.key).read_text() == "20"
    assert [*(container.settings.work_dir / "worker-1").iterdir()] == []


def test_a_job_that_is_not_queued_costs_nothing(container: Container, here: Station) -> None:
    job_id = submit(container, "count", epochs=1)
    for _ in range(3):
        JobSupervisor(here).run(job_id)
    JobSupervisor(here).run("job_unknown")
    assert outcomes(container.jobs.get(job_id)) == ["succeeded"]


@pytest.mark.parametrize(
    ("how", "outcomes_of_job", "code"),
    [("bug", ["error"], "pipeline_error"), ("foreseen", ["error"], "dataset_unavailable")],
)
def test_a_pipeline_that_fails_is_not_tried_again(
    container: Container, here: Station, how: str, outcomes_of_job: list[str], code: str
) -> None:
    job_id = submit(container, "fail", how=how)
    JobSupervisor(here).run(job_id)
    view = container.jobs.get(job_id)
    assert (view.job.status, view.job.error_code) == (JobStatus.FAILED, code)
    assert view.job.error_message
    assert "/" not in view.job.error_message
    assert outcomes(view) == outcomes_of_job


@pytest.mark.parametrize(("how", "outcome"), [("memory", "oom"), ("abort", "lost")])
def test_an_end_that_another_attempt_may_not_share_is_tried_three_times(
    container: Container, here: Station, how: str, outcome: str
) -> None:
    job_id = submit(container, "fail", how=how)
    for _ in range(4):
        JobSupervisor(here).run(job_id)
    view = container.jobs.get(job_id)
    assert outcomes(view) == [outcome] * 3
    assert (view.job.status, view.job.error_code) == (JobStatus.FAILED, outcome)


def test_the_next_attempt_goes_on_from_the_last_checkpoint(
    container: Container, here: Station
) -> None:
    job_id = submit(container, "count", epochs=4, crash_at=2, once=True)
    supervisor = JobSupervisor(here)
    supervisor.run(job_id)
    assert container.jobs.get(job_id).job.status == JobStatus.QUEUED
    supervisor.run(job_id)
    view = container.jobs.get(job_id)
    assert outcomes(view) == ["lost", "succeeded"]
    assert view.job.results["began"] == 20
    (lost,) = [event for event in events_of(container, job_id) if event.level == "error"]
    assert lost.message == "the trainer was ended by SIGKILL"


def test_a_checkpoint_that_is_gone_costs_only_time(container: Container, here: Station) -> None:
    job_id = submit(container, "count", epochs=3, crash_at=1, once=True)
    supervisor = JobSupervisor(here)
    supervisor.run(job_id)
    for checkpoint in container.jobs.checkpoints(job_id):
        container.storage.delete(checkpoint.key)
    supervisor.run(job_id)
    assert container.jobs.get(job_id).job.status == JobStatus.QUEUED
    messages = [event.message for event in events_of(container, job_id)]
    (told,) = [text for text in messages if "its file is gone; starting from the beginning" in text]
    assert "epoch 1, step 10" in told
    assert container.jobs.get(job_id).job.results == {}


def test_cancel_saves_and_stops(container: Container, here: Station) -> None:
    running = Running(here, submit(container, "count", epochs=100_000))
    container.job_control.cancel(running.job_id)
    view = running.join()
    assert view.job.status == JobStatus.CANCELLED
    assert outcomes(view) == ["cancelled"]
    last = events_of(container, running.job_id)[-2:]
    assert [event.type for event in last] == ["checkpoint", "status"]


def test_kill_does_not_wait_for_a_run_that_does_not_listen(
    container: Container, here: Station
) -> None:
    running = Running(here, submit(container, "count", epochs=100_000, stubborn=True))
    pid = trainer_of(here)
    container.job_control.cancel(running.job_id)
    container.job_control.kill(running.job_id)
    view = running.join()
    assert view.job.status == JobStatus.CANCELLED
    assert group_is_gone(pid)


def test_a_trainer_that_is_killed_is_a_lost_attempt(container: Container, here: Station) -> None:
    running = Running(here, submit(container, "count", epochs=100_000))
    os.killpg(trainer_of(here), signal.SIGKILL)
    view = running.join()
    assert outcomes(view) == ["lost"]
    assert view.job.status == JobStatus.QUEUED


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_worker_that_leaves_hands_its_job_back(
    container: Container, here: Station, *, stubborn: bool
) -> None:
    job_id = submit(container, "count", epochs=100_000, stubborn=stubborn)
    running = Running(here, job_id)
    here.runs.release(0.3 if stubborn else 60)
    view = running.join()
    assert outcomes(view) == ["released"]
    assert view.job.status == JobStatus.QUEUED
    assert here.runs.subjects() == []


def test_a_lease_that_another_took_ends_the_trainer_and_nothing_is_written(
    container: Container, here: Station
) -> None:
    running = Running(here, submit(container, "count", epochs=100_000))
    pid = trainer_of(here)
    _take_away(container, running.job_id)
    written = running.told("checkpoint")
    running.join()
    assert group_is_gone(pid)
    assert running.told("checkpoint") == written
    assert container.jobs.get(running.job_id).job.status == JobStatus.RUNNING


def test_a_trainer_ends_when_no_beat_gets_through(
    container: Container, here: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = Running(here, submit(container, "count", epochs=100_000))
    pid = trainer_of(here)

    def away(*_: object, **__: object) -> None:
        raise Unavailable("the database does not answer")

    for name in ("beat", "look", "record", "finish", "succeed"):
        monkeypatch.setattr(container.attempts, name, away)
    monkeypatch.setattr(container.attempt_files, "add_checkpoint", away)
    wait_for(lambda: group_is_gone(pid), "the trainer to be killed")
    running.join()
    monkeypatch.undo()
    assert outcomes(container.jobs.get(running.job_id)) == [None], "left to the sweeper"


def test_a_database_that_is_away_for_a_moment_costs_nothing(
    container: Container, here: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = container.attempts.record
    failures = iter(range(3))

    def shaky(*args: Any) -> bool:
        if next(failures, None) is not None:
            raise Unavailable("the database does not answer")
        return record(*args)

    monkeypatch.setattr(container.attempts, "record", shaky)
    job_id = submit(container, "count", epochs=3)
    JobSupervisor(here).run(job_id)
    told = [event.type for event in events_of(container, job_id)]
    assert told.count("metrics") == 3
    assert container.jobs.get(job_id).job.status == JobStatus.SUCCEEDED


def test_a_job_for_a_device_that_is_not_here_is_left_for_another_worker(
    container: Container, here: Station
) -> None:
    job_id = submit(container, "count", device="cuda:7")
    JobSupervisor(here).run(job_id)
    view = container.jobs.get(job_id)
    assert (view.job.status, view.attempts) == (JobStatus.QUEUED, [])


def test_storage_that_refuses_a_file_is_tried_again_elsewhere(
    container: Container, here: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "/data/files/x")

    monkeypatch.setattr(container.storage, "put_file", full)
    job_id = submit(container, "count", epochs=2)
    JobSupervisor(here).run(job_id)
    view = container.jobs.get(job_id)
    assert outcomes(view) == ["lost"]
    assert view.job.status == JobStatus.QUEUED
    (told,) = [event for event in events_of(container, job_id) if event.level == "error"]
    assert told.message == "a file could not be stored: No space left on device"


def _take_away(container: Container, job_id: str) -> None:
    """What a sweeper and another worker's claim do to the row."""
    from sqlalchemy import update

    from services.db.tables import Job

    with container.db.write() as session:
        session.execute(
            update(Job).where(Job.id == job_id).values(token=Job.token + 1, worker="worker-2")
        )
