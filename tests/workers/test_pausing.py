"""What the owner of a running job wishes, from the row to the trainer and back."""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

from services.attempts import Beat
from services.container import Container
from services.db.tables import Job
from services.job_state import JobStatus
from tests.workers.stations import events_of, outcomes, quick, station, submit
from tests.workers.waiting import wait_for
from workers.keeper import KILL, Keeper
from workers.messages import Control
from workers.process import TrainerProcess
from workers.station import Station
from workers.supervisor import JobSupervisor


@pytest.fixture
def here(local_container: Container) -> Generator[Station]:
    with station(local_container) as made:
        yield made


def test_a_paused_run_has_saved_and_the_next_attempt_goes_on_there(here: Station) -> None:
    container = here.container
    job_id = submit(container, "count", epochs=300)
    supervisor = threading.Thread(target=JobSupervisor(here).run, args=(job_id,))
    supervisor.start()
    wait_for(lambda: container.jobs.checkpoints(job_id), "the first checkpoint")
    container.job_control.pause(job_id)
    supervisor.join(120)
    view = container.jobs.get(job_id)
    assert (view.job.status, outcomes(view)) == (JobStatus.PAUSED, ["paused"])
    assert [event.type for event in events_of(container, job_id)[-2:]] == ["checkpoint", "status"]

    step = container.jobs.checkpoints(job_id)[0].step
    with container.db.write() as session:  # so that it is done soon
        session.get_one(Job, job_id).params = {**view.job.params, "epochs": step // 10 + 1}
    container.job_control.resume(job_id)
    JobSupervisor(here).run(job_id)
    view = container.jobs.get(job_id)
    assert (view.job.status, outcomes(view)) == (JobStatus.SUCCEEDED, ["paused", "succeeded"])
    assert view.job.results["began"] == step


class Script:
    """A lease whose beats are written down; the last one stays."""

    def __init__(self, *beats: Beat) -> None:
        self._beats = [*beats]
        self.over = threading.Event()

    def beat(self) -> Beat:
        return self.look()

    def look(self) -> Beat:
        if len(self._beats) == 1:
            self.over.set()
            return self._beats[0]
        return self._beats.pop(0)


class Heard(TrainerProcess):
    """A trainer in name only, that remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def control(self, control: Control) -> None:
        self.told.append(control)

    def withdraw(self, control: Control) -> None:
        self.told.append(f"not {control}")

    def kill(self, why: str) -> None:
        self.told.append(why)

    def kill_at(self, deadline: float, why: str) -> None: ...


RUNNING, PAUSING, CANCELLING = (
    Beat(status, kill=False)
    for status in (JobStatus.RUNNING, JobStatus.PAUSING, JobStatus.CANCELLING)
)


@pytest.mark.parametrize(
    ("beats", "told"),
    [
        ([RUNNING, PAUSING, PAUSING, RUNNING, RUNNING], ["pause", "not pause"]),
        ([PAUSING, RUNNING, PAUSING], ["pause", "not pause", "pause"]),
        ([PAUSING, CANCELLING, CANCELLING], ["pause", "cancel", "not pause"]),
        ([PAUSING, Beat(JobStatus.CANCELLING, kill=True)], ["pause", KILL]),
    ],
)
def test_a_wish_is_passed_on_once_and_may_be_taken_back(
    local_container: Container, beats: list[Beat], told: list[str]
) -> None:
    script, trainer = Script(*beats, beats[-1]), Heard()
    settings = quick(local_container.settings, heartbeat_s=0.01)
    with Keeper(script, trainer, settings, 0.0):
        assert script.over.wait(60)
    assert list(dict.fromkeys(trainer.told)) == told if KILL in told else trainer.told == told
