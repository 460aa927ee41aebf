"""The service itself: health, versions, workers."""

from __future__ import annotations

from typing import Any, Literal

from api.schemas.common import ResponseModel, Time
from services.db.tables import Worker


class Alive(ResponseModel):
    status: Literal["ok"] = "ok"


class Readiness(ResponseModel):
    status: Literal["ready", "not_ready"]
    parts: dict[str, str | None]
    """Each part by name: null when it answers, else why not."""
    failing: list[str]


class Cuda(ResponseModel):
    available: bool
    """Whether a live worker has a CUDA device."""
    devices: list[dict[str, Any]]


class SystemOut(ResponseModel):
    object: Literal["system"] = "system"
    torchkiln: str
    host: str
    platform: str
    cpu_cores: int | None
    python: str
    versions: dict[str, str | None]
    cuda: Cuda
    workers: int


class WorkerOut(ResponseModel):
    id: str
    object: Literal["worker"] = "worker"
    host: str
    pid: int
    queues: list[str]
    device: str
    """The device that `auto` takes: the first accelerator, else `cpu`."""
    devices: list[Any]
    slots: int
    current_job: str | None
    current_jobs: list[str]
    started_at: Time
    last_heartbeat: Time

    @classmethod
    def show(cls, row: Worker) -> WorkerOut:
        names = [device["name"] for device in row.devices]
        jobs: list[str] = row.current_jobs
        return cls.model_validate(
            {
                **vars(row),
                "device": next((name for name in names if name != "cpu"), "cpu"),
                "current_job": jobs[0] if jobs else None,
            }
        )
