"""The services over both databases, with a queue that remembers instead of sending."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.container import Container
from services.db.tables import Benchmark, Job
from services.errors import Unavailable
from services.queue import QueueName
from services.settings import Settings


class RecordingQueue:
    """A queue whose messages go nowhere; `broken` makes it refuse to answer."""

    def __init__(self) -> None:
        self.woken: list[str] = []
        self.messages: dict[QueueName, int] = {"cpu": 0, "gpu": 0}
        self.broken = False

    def wake_job(self, job: Job) -> None:
        self.woken.append(job.id)

    def wake_ranks(self, job: Job, device: str) -> None:
        self.woken.append(f"{job.id} on {device}")

    def wake_benchmark(self, benchmark: Benchmark) -> None:
        self.woken.append(benchmark.id)

    def waiting(self) -> dict[QueueName, int]:
        self.ping()
        return dict(self.messages)

    def ping(self) -> None:
        if self.broken:
            raise Unavailable("the broker does not answer")

    def close(self) -> None: ...


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(data_dir=tmp_path / "data", database_url=database_url, lease_s=30)


@pytest.fixture
def queue() -> RecordingQueue:
    return RecordingQueue()


@pytest.fixture
def container(settings: Settings, queue: RecordingQueue) -> Iterator[Container]:
    made = Container(settings, queue=queue)
    yield made
    made.close()
