"""Training jobs as they are shown, and what belongs to them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from api.schemas.common import ResponseModel, Time
from services.db.tables import Artifact, Attempt, Checkpoint, Event, Job
from services.job_state import JobStatus
from services.job_views import JobView


class Placement(ResponseModel):
    worker: str
    device: str | None


class Stop(ResponseModel):
    max_runtime_s: float | None = None
    max_steps: int | None = None


class Progress(ResponseModel):
    epoch: int = 0
    epochs: int = 0
    step: int = 0
    steps: int = 0
    percent: float = 0.0
    eta_s: float | None = None


class AttemptOut(ResponseModel):
    number: int
    worker: str
    started_at: Time
    ended_at: Time | None
    outcome: str | None
    exact: bool | None = Field(
        description="Whether it goes on bit by bit as if the one before had not ended (and true "
        "for one that begins at the start); null until that is known"
    )

    @classmethod
    def show(cls, row: Attempt) -> AttemptOut:
        return cls.model_validate(row, from_attributes=True)


class StatusTransition(ResponseModel):
    status: JobStatus
    at: Time


class WorkError(ResponseModel):
    code: str
    message: str


class JobUrls(ResponseModel):
    self: str
    events: str
    checkpoints: str
    artifacts: str
    pause: str
    resume: str
    cancel: str
    kill: str


class JobOut(ResponseModel):
    id: str
    object: Literal["job"] = "job"
    pipeline: str
    status: JobStatus
    params: dict[str, Any]
    seed: int
    device: str
    world_size: int
    hosts: int
    min_world_size: int
    priority: int
    dataset: str | None
    model: str | None
    model_version: int | None
    promote: str
    metadata: dict[str, Any]
    stop: Stop
    webhook: str | None
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    placement: Placement | None
    progress: Progress
    metrics: dict[str, Any]
    results: dict[str, Any]
    attempts: list[AttemptOut]
    status_transitions: list[StatusTransition]
    waiting_for: str | None = Field(
        description="What keeps a queued job from being run: `a worker`, `a free slot`, "
        "`1 more host`, `1 gpu`, `cuda:3`"
    )
    error: WorkError | None
    urls: JobUrls

    @classmethod
    def show(cls, view: JobView) -> JobOut:
        job = view.job
        return cls(
            id=job.id,
            pipeline=job.pipeline,
            status=JobStatus(job.status),
            params=job.params,
            seed=job.seed,
            device=job.device,
            world_size=job.world_size,
            hosts=job.hosts,
            min_world_size=job.min_world_size,
            priority=job.priority,
            dataset=job.dataset,
            model=job.model,
            model_version=job.model_version,
            promote=job.promote,
            metadata=job.meta,
            stop=Stop(**job.stop),
            webhook=job.webhook,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            placement=_placement(view),
            progress=Progress(**(job.progress or {})),
            metrics=job.metrics,
            results=job.results,
            attempts=[AttemptOut.show(row) for row in view.attempts],
            status_transitions=[
                StatusTransition(status=JobStatus(status), at=at) for status, at in view.transitions
            ],
            waiting_for=view.waiting_for,
            error=work_error(job.error_code, job.error_message),
            urls=_urls(job),
        )


def _placement(view: JobView) -> Placement | None:
    """Where the job runs, or where its last attempt ran; None before the first."""
    if not view.attempts:
        return None
    return Placement(worker=view.attempts[-1].worker, device=view.job.placed_device)


def work_error(code: str | None, message: str | None) -> WorkError | None:
    return None if code is None else WorkError(code=code, message=message or "")


def _urls(job: Job) -> JobUrls:
    base = f"/v1/jobs/{job.id}"
    return JobUrls(
        self=base,
        events=f"{base}/events",
        checkpoints=f"{base}/checkpoints",
        artifacts=f"{base}/artifacts",
        pause=f"{base}/pause",
        resume=f"{base}/resume",
        cancel=f"{base}/cancel",
        kill=f"{base}/kill",
    )


class EventOut(ResponseModel):
    id: int = Field(description="The sequence number within the job: 1, 2, 3, …")
    created_at: Time
    type: Literal["status", "metrics", "log", "checkpoint", "artifact"]
    level: str
    message: str
    data: dict[str, Any]

    @classmethod
    def show(cls, row: Event) -> EventOut:
        return cls.model_validate({**vars(row), "id": row.seq})


class CheckpointOut(ResponseModel):
    id: str
    object: Literal["checkpoint"] = "checkpoint"
    epoch: int
    step: int
    metrics: dict[str, Any]
    best: bool
    abandoned: bool = Field(
        description="Left behind, by a `resume` from an earlier one or because its file is "
        "damaged: no attempt goes on from it unless `resume` names it"
    )
    size_bytes: int
    sha256: str
    created_at: Time
    url: str

    @classmethod
    def show(cls, row: Checkpoint) -> CheckpointOut:
        url = f"/v1/jobs/{row.job_id}/checkpoints/{row.id}/download"
        return cls.model_validate({**vars(row), "url": url})


class ArtifactOut(ResponseModel):
    name: str
    object: Literal["artifact"] = "artifact"
    title: str
    media_type: str
    size_bytes: int
    sha256: str
    created_at: Time
    url: str

    @classmethod
    def show(cls, row: Artifact) -> ArtifactOut:
        url = f"/v1/jobs/{row.job_id}/artifacts/{row.name}"
        return cls.model_validate({**vars(row), "url": url})
