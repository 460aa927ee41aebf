"""Params of the same shape in every pipeline, as pydantic models: the job form's fields.

Every field carries a description and bounds, because clients build forms from the schema.
Torch-free: the API validates with these.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

OptimizerName = Literal["sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw"]
SchedulerName = Literal["none", "step", "exponential", "cosine", "plateau", "onecycle"]
InitializationName = Literal[
    "default",
    "xavier_uniform",
    "xavier_normal",
    "kaiming_uniform",
    "kaiming_normal",
    "orthogonal",
]


class PipelineParams(BaseModel):
    """Base of every pipeline's params: unknown fields and non-finite numbers are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class Optimizer(PipelineParams):
    name: OptimizerName = Field(default="adam", description="Update rule")
    lr: float = Field(default=1e-3, gt=0, le=10, description="Learning rate")
    weight_decay: float = Field(
        default=0.0, ge=0, le=1, description="L2 penalty (decoupled for adamw)"
    )
    momentum: float = Field(
        default=0.9, ge=0, lt=1, description="Momentum, used by `momentum` only"
    )


class Scheduler(PipelineParams):
    name: SchedulerName = Field(
        default="none", description="Learning-rate schedule, stepped every epoch"
    )
    step_size: int = Field(default=20, ge=1, le=10_000, description="Epochs between drops (`step`)")
    gamma: float = Field(
        default=0.5, gt=0, le=1, description="Factor of a drop (`step`, `exponential`)"
    )
    patience: int = Field(default=10, ge=0, le=1_000, description="Epochs without gain (`plateau`)")
    max_lr: float | None = Field(
        default=None, gt=0, le=10, description="Peak rate (`onecycle`); null is ten times `lr`"
    )


class EarlyStopping(PipelineParams):
    patience: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Epochs without improvement before stopping; 0 never stops",
    )
    min_delta: float = Field(default=0.0, ge=0, le=1e3, description="Improvement that counts")


class TrainingParams(PipelineParams):
    """What every pipeline that trains takes. A pipeline overrides defaults, never names."""

    epochs: int = Field(default=20, ge=1, le=100_000, description="Passes over the training rows")
    batch_size: int = Field(default=32, ge=1, le=65_536, description="Rows in one optimizer step")
    optimizer: Optimizer = Field(default_factory=Optimizer, description="Update rule and rate")
    scheduler: Scheduler = Field(default_factory=Scheduler, description="Learning-rate schedule")
    initialization: InitializationName = Field(
        default="default", description="How weights start; biases are zeroed except by `default`"
    )
    early_stopping: EarlyStopping = Field(
        default_factory=EarlyStopping, description="When to stop before `epochs`"
    )
    checkpoint_every: int = Field(
        default=5,
        ge=1,
        le=100_000,
        description="Epochs between checkpoints; the last epoch has one too",
    )
