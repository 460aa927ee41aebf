"""Worker processes of the tests, and waiting for what they do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from services.container import Container
from services.job_state import TERMINAL, JobStatus
from services.job_views import JobView
from services.settings import Settings
from tests.workers.waiting import wait_for

STUB = ("-m", "tests.workers.stub_worker")


class WorkerProcess:
    def __init__(self, settings: Settings, log: Path, *command: str, **environment: str) -> None:
        self.log = log
        variables = {
            "TORCHKILN_DATA_DIR": str(settings.data_dir),
            "TORCHKILN_REDIS_URL": settings.redis_url,
            "TORCHKILN_JOB_SLOTS": str(settings.job_slots),
            "TORCHKILN_HEARTBEAT_S": "0.5",
            **environment,
        }
        with log.open("w") as stream:
            self.process = subprocess.Popen(
                [sys.executable, *(command or STUB)],
                stderr=stream,
                env={**os.environ, **variables},
                start_new_session=True,
            )

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(120)

    def lines(self) -> list[dict[str, Any]]:
        """Its log so far; every line of it is JSON."""
        whole = self.log.read_bytes().rpartition(b"\n")[0]
        return [orjson.loads(line) for line in whole.splitlines()]

    def said(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["event"] == event]


Start = Callable[..., WorkerProcess]
"""What the fixture `start` is."""


def ready(container: Container, worker: WorkerProcess) -> None:
    wait_for(lambda: worker.said("worker_ready") or worker.process.poll(), "the worker")
    assert worker.process.poll() is None, worker.log.read_text()
    wait_for(lambda: any(row.queues for row in container.workers.list()), "its row")


def ended(container: Container, job_id: str) -> JobView:
    def look() -> JobView | None:
        view = container.jobs.get(job_id)
        return view if JobStatus(view.job.status) in TERMINAL else None

    return wait_for(look, "the job to end")


def in_training(container: Container, job_id: str) -> None:
    wait_for(lambda: container.jobs.checkpoints(job_id), "a checkpoint")
