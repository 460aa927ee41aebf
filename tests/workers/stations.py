"""A worker's station in this process: real database, storage and trainers, no broker."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from services.catalogue import Catalogue
from services.container import Container
from services.db.tables import Benchmark, Job
from services.events import Event
from services.job_request import NewJob
from services.job_views import JobView
from services.jobs import Jobs
from services.queue import QueueName
from services.settings import Settings
from tests.workers.pipelines import TABLE
from tests.workers.trainers import TRAINER
from workers.devices import Devices
from workers.pool import TrainerPool
from workers.process import TrainerProcess
from workers.runs import Runs
from workers.station import Station
from workers.workdirs import WorkDirs


class SilentQueue:
    """Messages go nowhere: the test is what calls the supervisor."""

    def wake_job(self, job: Job) -> None: ...

    def wake_ranks(self, job: Job, device: str) -> None: ...

    def wake_benchmark(self, benchmark: Benchmark) -> None: ...

    def waiting(self) -> dict[QueueName, int]:
        return {"cpu": 0, "gpu": 0}

    def ping(self) -> None: ...

    def close(self) -> None: ...


def submit(
    container: Container,
    pipeline: str,
    *,
    device: str = "cpu",
    spread: Mapping[str, int] = {},
    **params: Any,
) -> str:
    """→ the id of a new job of a pipeline of the tests; `spread` is over processes and hosts."""
    catalogue, settings = Catalogue(TABLE), container.settings
    jobs = Jobs(container.db, container.queue, catalogue, container.datasets, settings)
    return jobs.submit(NewJob(pipeline, params, device=device, **spread), request_id="req_1")[
        0
    ].job.id


@contextmanager
def station(
    container: Container, *, slots: int = 1, trainer: Sequence[str] = TRAINER
) -> Generator[Station]:
    pool = TrainerPool(slots, lambda changed: TrainerProcess(trainer, on_change=changed))
    pool.start()
    workdirs = WorkDirs(container.settings.work_dir, "worker-1")
    try:
        yield Station(container, "worker-1", pool, Devices(["cpu"]), workdirs, Runs())
    finally:
        pool.close()
        workdirs.close()


def events_of(container: Container, job_id: str) -> list[Event]:
    """All of them, checked to be numbered without a gap."""
    events = container.events.list(job_id, limit=10_000).data
    assert [event.seq for event in events] == [*range(1, len(events) + 1)]
    return events


def outcomes(view: JobView) -> list[str | None]:
    return [attempt.outcome for attempt in view.attempts]


def quick(settings: Settings, **changes: Any) -> Settings:
    """`settings` with a short heartbeat."""
    return settings.model_copy(update={"heartbeat_s": 0.1, **changes})
