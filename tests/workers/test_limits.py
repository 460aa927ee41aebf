"""A run that hangs, or takes too long, is ended; one that gets on is left alone."""

from __future__ import annotations

import math
from collections.abc import Generator

import pytest

from services.container import Container
from services.db.tables import Job
from services.job_state import JobStatus
from tests.workers.stations import events_of, outcomes, quick, station, submit
from workers import limits
from workers.limits import STALL, StallWatch
from workers.messages import Message
from workers.process import TrainerProcess
from workers.station import Station
from workers.supervisor import JobSupervisor


@pytest.fixture
def here(local_container: Container) -> Generator[Station]:
    with station(local_container) as made:
        yield made


def test_a_run_that_hangs_is_ended_and_tried_again(
    here: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = here.container
    settings = quick(container.settings, stall_timeout_s=0.5)
    monkeypatch.setattr(container, "settings", settings)
    job_id = submit(container, "count", epochs=3, hang_at=15)
    JobSupervisor(here).run(job_id)
    view = container.jobs.get(job_id)
    assert (view.job.status, outcomes(view)) == (JobStatus.QUEUED, ["stalled"])
    (told,) = [event for event in events_of(container, job_id) if event.level == "error"]
    assert told.message == "the run made no headway for 0.5 s: no step, metric or file"
    assert [row.step for row in container.jobs.checkpoints(job_id)] == [10]


class Deadlines(TrainerProcess):
    """A trainer in name only, that counts how often its deadline is moved."""

    def __init__(self) -> None:
        self.moved = 0
        self.latest = 0.0

    def kill_at(self, deadline: float, why: str) -> None:
        assert why == STALL
        self.moved += 1
        self.latest = deadline


@pytest.mark.parametrize(
    ("messages", "moved"),
    [
        ([{"type": "progress", "epoch": 0, "step": step} for step in (1, 2, 3)], 3),
        ([{"type": "progress", "epoch": 0, "step": 1}] * 3, 1),
        ([{"type": "log"}, {"type": "trace"}], 0),
        ([{"type": kind} for kind in ("metrics", "checkpoint", "artifact", "trained")], 4),
    ],
)
def test_only_headway_counts(messages: list[Message], moved: int) -> None:
    trainer = Deadlines()
    watch = StallWatch(trainer, 900)
    for message in messages:
        watch.see(message)
    assert trainer.moved == moved


def test_storing_a_file_is_not_held_against_the_run() -> None:
    trainer = Deadlines()
    with StallWatch(trainer, 900).aside():
        assert trainer.latest == math.inf
    assert trainer.latest < math.inf


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_job_whose_time_is_over_has_saved_or_is_killed(
    here: Station, monkeypatch: pytest.MonkeyPatch, *, stubborn: bool
) -> None:
    monkeypatch.setattr(limits, "SAVE_S", 0.2 if stubborn else 60)
    container = here.container
    job_id = submit(container, "count", epochs=100_000, stubborn=stubborn)
    with container.db.write() as session:
        session.get_one(Job, job_id).stop = {"max_runtime_s": 0.4}
    JobSupervisor(here).run(job_id)
    view = container.jobs.get(job_id)
    assert (view.job.status, outcomes(view)) == (JobStatus.FAILED, ["timeout"])
    assert view.job.error_code == "timeout"
    assert view.job.error_message == "the job ran for its max_runtime_s, 0.4 s"
    if not stubborn:
        kinds = [event.type for event in events_of(container, job_id)]
        assert kinds[-3:] == ["checkpoint", "log", "status"]
