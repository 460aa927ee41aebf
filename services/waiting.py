"""What a queued job waits for, in words for its owner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.db.tables import Job, Worker
from services.job_state import JobStatus

SILENT = timedelta(seconds=60)
"""A worker that has not been heard of for longer is no hope for anyone."""

Devices = Sequence[str]
"""What one worker has: `cpu`, `cuda:0`, …"""


@dataclass(frozen=True)
class LiveWorker:
    id: str
    devices: Devices
    slots: int
    in_hand: Sequence[str]
    """What it was at when it last said so."""

    def may_take(self, job: Job) -> bool:
        """Whether it has a slot for a queued job. What it says of this one is out of date."""
        return sum(held != job.id for held in self.in_hand) < self.slots


def live_workers(session: Session, now: datetime) -> list[LiveWorker]:
    found = session.scalars(select(Worker).where(Worker.last_heartbeat >= now - SILENT))
    return [
        LiveWorker(row.id, [one["name"] for one in row.devices], row.slots, row.current_jobs)
        for row in found
    ]


def fits(devices: Devices, wanted: str, processes: int) -> bool:
    """Whether a worker with `devices` can run a job that asked for `wanted` in so many processes:
    the CPU has room for any number, a GPU for one."""
    if wanted in ("auto", "cpu"):
        return "cpu" in devices
    if wanted == "cuda":
        return sum(name.startswith("cuda:") for name in devices) >= processes
    return wanted in devices and processes == 1


def per_host(job: Job) -> int:
    """How many of its processes run on each of its hosts."""
    return job.world_size // job.hosts


def fewest_hosts(job: Job) -> int:
    """On how many it can run at least."""
    return job.min_world_size // per_host(job)


def missing_hosts(job: Job, workers: Sequence[LiveWorker], leader: str | None = None) -> int:
    """How many more hosts have to have room for it before it can run. `leader` is a worker that
    has, whatever is known of it."""
    ready = {
        worker.id
        for worker in workers
        if fits(worker.devices, job.device, per_host(job)) and worker.may_take(job)
    }
    return max(0, fewest_hosts(job) - len(ready | ({leader} if leader else set())))


def reason(job: Job, workers: Sequence[LiveWorker]) -> str | None:
    """None for a job that is not queued."""
    if job.status != JobStatus.QUEUED:
        return None
    if not workers:
        return "a worker"
    if not any(fits(worker.devices, job.device, per_host(job)) for worker in workers):
        return f"{per_host(job)} gpu" if job.device == "cuda" else job.device
    if fewest_hosts(job) > 1 and (missing := missing_hosts(job, workers)):
        return f"{missing} more host{'s'[: missing - 1]}"
    return "a free slot"
