"""What a queued job waits for, in words for its owner."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.db.tables import Job, Worker
from services.job_state import JobStatus

SILENT = timedelta(seconds=60)
"""A worker that has not been heard of for longer is no hope for anyone."""

Devices = Sequence[str]
"""What one worker has: `cpu`, `cuda:0`, …"""


def live_devices(session: Session, now: datetime) -> list[Devices]:
    """Of each live worker."""
    found = session.scalars(select(Worker.devices).where(Worker.last_heartbeat >= now - SILENT))
    return [[device["name"] for device in devices] for devices in found]


def fits(devices: Devices, wanted: str, processes: int) -> bool:
    """Whether a worker with `devices` can run a job that asked for `wanted` in so many processes:
    the CPU has room for any number, a GPU for one."""
    if wanted in ("auto", "cpu"):
        return "cpu" in devices
    if wanted == "cuda":
        return sum(name.startswith("cuda:") for name in devices) >= processes
    return wanted in devices and processes == 1


def reason(job: Job, workers: Sequence[Devices]) -> str | None:
    """None for a job that is not queued."""
    if job.status != JobStatus.QUEUED:
        return None
    if not workers:
        return "a worker"
    if any(fits(devices, job.device, job.world_size) for devices in workers):
        return "a free slot"
    return f"{job.world_size} gpu" if job.device == "cuda" else job.device
