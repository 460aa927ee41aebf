"""Trainers and workers that no test leaves behind, and the services that they work for."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from services.container import Container
from services.settings import Settings
from tests.support import valkey
from tests.workers.stations import SilentQueue, quick
from tests.workers.trainers import TRAINER, MakeSpec, Spawn
from tests.workers.waiting import group_is_gone, wait_for
from tests.workers.worker_processes import Start, WorkerProcess
from workers.messages import TrainSpec
from workers.process import TrainerProcess


@pytest.fixture
def spawn() -> Generator[Spawn]:
    """Starts trainers; `spawn()` one with the pipelines of the tests."""
    started: list[TrainerProcess] = []

    def start(*command: str, **options: object) -> TrainerProcess:
        trainer = TrainerProcess(command or TRAINER, **options)  # type: ignore[arg-type]
        started.append(trainer)
        return trainer

    yield start
    for trainer in started:
        trainer.kill("test")
        assert trainer.wait(60)


@pytest.fixture
def local_container(tmp_path: Path, template: Path) -> Generator[Container]:
    """The services over SQLite, without a broker."""
    # A lease long enough for a busy machine, and short enough to be waited for.
    settings = quick(Settings(data_dir=tmp_path / "data"), lease_s=6.0)
    made = Container(settings, queue=SilentQueue())
    settings.data_dir.mkdir()
    shutil.copy(template, settings.data_dir)
    yield made
    made.close()


@pytest.fixture
def spec(tmp_path: Path) -> MakeSpec:
    """`spec("count", epochs=2)`."""

    def make(pipeline: str, *, resume: Path | None = None, **params: object) -> TrainSpec:
        workdir = tmp_path / "work"
        workdir.mkdir(exist_ok=True)
        return TrainSpec(
            job_id="job_1",
            attempt=1,
            request_id="req_1",
            pipeline=pipeline,
            params=params,
            seed=0,
            device="cpu",
            dataset=None,
            workdir=str(workdir),
            data_dir=str(tmp_path),
            resume=None if resume is None else str(resume),
        )

    return make


@pytest.fixture
def broker(tmp_path: Path) -> Generator[valkey.Valkey]:
    with valkey.server(tmp_path / "valkey") as server:
        yield server


@pytest.fixture
def container(tmp_path: Path, broker: valkey.Valkey, template: Path) -> Generator[Container]:
    settings = Settings(data_dir=tmp_path / "data", redis_url=broker.url)
    settings.data_dir.mkdir()
    shutil.copy(template, settings.data_dir)
    made = Container(settings)
    yield made
    made.close()


@pytest.fixture
def start(container: Container, tmp_path: Path) -> Generator[Start]:
    """Starts workers. After the test none is left, and no trainer of theirs."""
    started: list[WorkerProcess] = []

    def make(*command: str, **environment: str) -> WorkerProcess:
        log = tmp_path / f"worker-{len(started)}.log"
        started.append(WorkerProcess(container.settings, log, *command, **environment))
        return started[-1]

    yield make
    for worker in started:
        worker.process.kill()
        worker.wait()
    logs = [worker for worker in started if worker.process.returncode != 2]
    trainers = [line["trainer_pid"] for log in logs for line in log.said("attempt_started")]
    for pid in trainers:
        wait_for(lambda pid=pid: group_is_gone(pid), "the trainers to end")
