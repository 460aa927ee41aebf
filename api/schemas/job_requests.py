"""What is asked of training jobs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from api.schemas.common import RequestModel
from services.job_request import MAX_RUNTIME_S, MAX_STEPS, MAX_WORLD_SIZE, NewJob
from services.job_resume import Resume
from services.webhooks import MAX_URL

SEED_MAX = 2**32 - 1


class StopIn(RequestModel):
    """When to end a job that is not over yet; null is no limit."""

    max_runtime_s: float | None = Field(
        default=None,
        gt=0,
        le=MAX_RUNTIME_S,
        description="Seconds of running, over all attempts since the job was last resumed. Then it "
        "saves a checkpoint and fails with the code `timeout`; `resume` gives it as long again",
    )
    max_steps: int | None = Field(
        default=None,
        ge=1,
        le=MAX_STEPS,
        description="Optimizer steps. Then training is over as if its epochs were, and what there "
        "is gets published. Only where the pipeline produces a model",
    )


class JobIn(RequestModel):
    """A job to submit. What is left out takes the pipeline's default."""

    pipeline: str = Field(min_length=1, max_length=64, description="Name of a pipeline")
    params: dict[str, Any] = Field(
        default_factory=dict, description="See the pipeline's `params_schema`"
    )
    dataset: str | None = Field(None, max_length=64, description="Id of a dataset")
    model: str | None = Field(
        None,
        max_length=64,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="Name of the model to publish a version of; the pipeline's name if left out",
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:[0-9]{1,3})?)$")
    world_size: int = Field(
        1,
        ge=1,
        le=MAX_WORLD_SIZE,
        description="Processes that train together, each with a part of every batch and, on "
        "`cuda`, a GPU of its own; more than one where the pipeline produces a model",
    )
    hosts: int = Field(
        1,
        ge=1,
        le=MAX_WORLD_SIZE,
        description="Over how many workers the processes are spread, as many on each; divides "
        "`world_size`",
    )
    min_world_size: int | None = Field(
        None,
        ge=1,
        le=MAX_WORLD_SIZE,
        description="With how many processes, those of whole hosts, it begins or goes on where "
        "there are no more hosts; with `world_size` only if left out",
    )
    priority: int = Field(5, ge=0, le=9, description="9 is the most urgent")
    seed: int = Field(0, ge=0, le=SEED_MAX)
    promote: Literal["never", "always", "if_better"] = Field(
        "never", description="When the new version becomes the champion"
    )
    metadata: dict[str, Any] = Field(default_factory=dict, description="Yours; kept as it is")
    stop: StopIn = Field(StopIn(), description="When to end it before it is over")
    webhook: str | None = Field(
        None,
        max_length=MAX_URL,
        description="URL that is told when the job has ended or paused; on a host that the "
        "operator allows",
    )

    def to_service(self) -> NewJob:
        given = self.model_dump(exclude={"stop"})
        return NewJob(**given, stop=self.stop.model_dump(exclude_none=True))


class ResumeIn(RequestModel):
    """What is to be otherwise from now on. Nothing: the job goes on as it was."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"params": {"epochs": 20}}]})

    checkpoint: str | None = Field(
        None,
        max_length=64,
        description="Id of the job's checkpoint to go on from; later ones are left behind. The "
        "latest if left out",
    )
    params: dict[str, Any] = Field(
        default_factory=dict,
        description="Params to change: `epochs`, `checkpoint_every`, `checkpoint_unit` and "
        "`variants`, or any while the job has no checkpoint",
    )

    def to_service(self) -> Resume:
        return Resume(self.checkpoint, self.params)
