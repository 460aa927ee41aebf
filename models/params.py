"""Params of the same shape in every pipeline, as pydantic models: the job form's fields.

Every field carries a description and bounds, because clients build forms from the schema.
Torch-free: the API validates with these. A pipeline with other defaults declares the field again
with the same annotated type (`epochs: Epochs = 100`), or a subclass of a nested model.
"""

from __future__ import annotations

from typing import Annotated, Literal

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
ActivationName = Literal[
    "relu",
    "sigmoid",
    "tanh",
    "softmax",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "hardswish",
]

UpdateRule = Annotated[OptimizerName, Field(description="Update rule")]
LearningRate = Annotated[float, Field(gt=0, le=10, description="Learning rate")]
ScheduleName = Annotated[
    SchedulerName,
    Field(
        description="Learning-rate schedule, stepped every epoch; `cosine` and `onecycle` end with "
        "`epochs`, also where a job is resumed with more: the rate then goes on along the "
        "longer curve"
    ),
]
Epochs = Annotated[int, Field(ge=1, le=100_000, description="Passes over the training rows")]
BatchSize = Annotated[int, Field(ge=1, le=65_536, description="Rows in one optimizer step")]
Width = Annotated[int, Field(ge=1, le=4096)]
HiddenLayers = Annotated[
    list[Width], Field(max_length=16, description="Units of each hidden layer, in order")
]
Activation = Annotated[ActivationName, Field(description="Between the layers")]
Dropout = Annotated[
    float, Field(ge=0, lt=1, description="Share of hidden units dropped while training")
]
BatchNorm = Annotated[
    bool, Field(description="Batch normalisation before each activation between the layers")
]

FocalAlpha = Annotated[
    float,
    Field(gt=0, lt=1, description="Weight of ones; zeros weigh 1 less this (`focal`)"),
]
FocalGamma = Annotated[
    float,
    Field(ge=0, le=10, description="How little rows count that are right already (`focal`)"),
]
CheckpointUnit = Literal["epochs", "steps"]
MiningName = Literal["batch_hard", "batch_all"]
Mining = Annotated[
    MiningName,
    Field(
        description="Triplets of a batch: one for each row, of its farthest like and nearest "
        "unlike row, or all of them"
    ),
]


class PipelineParams(BaseModel, frozen=True):
    """Base of every pipeline's params: unknown fields and non-finite numbers are refused.

    Subclasses say `frozen=True` again, because type checkers do not inherit it.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


class Optimizer(PipelineParams, frozen=True):
    name: UpdateRule = "adam"
    lr: LearningRate = 1e-3
    weight_decay: float = Field(
        default=0.0, ge=0, le=1, description="L2 penalty (decoupled for adamw)"
    )
    momentum: float = Field(
        default=0.9, ge=0, lt=1, description="Momentum, used by `momentum` only"
    )


class Scheduler(PipelineParams, frozen=True):
    name: ScheduleName = "none"
    step_size: int = Field(default=20, ge=1, le=10_000, description="Epochs between drops (`step`)")
    gamma: float = Field(
        default=0.5, gt=0, le=1, description="Factor of a drop (`step`, `exponential`, `plateau`)"
    )
    patience: int = Field(default=10, ge=0, le=1_000, description="Epochs without gain (`plateau`)")
    max_lr: float | None = Field(
        default=None, gt=0, le=10, description="Peak rate (`onecycle`); null is ten times `lr`"
    )


class FastAdam(Optimizer, frozen=True):
    """Adam at ten times its usual rate, for small nets."""

    lr: LearningRate = 1e-2


class Cosine(Scheduler, frozen=True):
    """The rate falls to zero by the last epoch, so that its weights have settled."""

    name: ScheduleName = "cosine"


class EarlyStopping(PipelineParams, frozen=True):
    patience: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Epochs without improvement before stopping, which then keeps the best "
        "epoch's weights; 0 never stops and keeps the last",
    )
    min_delta: float = Field(
        default=0.0, ge=0, le=1e3, description="Improvement of the loss that counts"
    )


class RegressionLoss(PipelineParams, frozen=True):
    name: Literal["mse", "mae", "huber", "smooth_l1"] = Field(default="mse", description="Loss")
    delta: float = Field(
        default=1.0,
        gt=0,
        le=1e6,
        description="Error where squared turns linear (`huber`, `smooth_l1`)",
    )


class BinaryLoss(PipelineParams, frozen=True):
    name: Literal["bce", "focal"] = Field(
        default="bce", description="Loss of the logit: binary cross-entropy or focal"
    )
    positive_weight: float = Field(
        default=1.0, gt=0, le=1e4, description="Weight of a row of the positive class (`bce`)"
    )
    focal_alpha: FocalAlpha = 0.25
    focal_gamma: FocalGamma = 2.0


class MulticlassLoss(PipelineParams, frozen=True):
    name: Literal["cross_entropy", "focal"] = Field(
        default="cross_entropy", description="Loss of the logits"
    )
    label_smoothing: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of a label spread evenly over all classes (`cross_entropy`)",
    )
    focal_gamma: FocalGamma = 2.0


class SegmentationLoss(PipelineParams, frozen=True):
    name: Literal["bce", "dice", "bce_dice", "focal"] = Field(
        default="bce_dice",
        description="Loss of the pixels' logits: cross-entropy, Dice of each mask, their sum, "
        "or focal",
    )
    smooth: float = Field(
        default=1.0,
        ge=1e-6,
        le=1e6,
        description="Pixels added to overlap and sizes, so that an empty mask has a Dice loss "
        "(`dice`, `bce_dice`)",
    )
    focal_alpha: FocalAlpha = 0.25
    focal_gamma: FocalGamma = 2.0


class TripletLoss(PipelineParams, frozen=True):
    name: Literal["triplet"] = Field(
        default="triplet", description="Loss of the embeddings of a batch, of length one"
    )
    margin: float = Field(
        default=0.2,
        gt=0,
        le=4,
        description="How much farther than rows of its own class those of others should be",
    )
    mining: Mining = "batch_hard"
    squared: bool = Field(default=False, description="Squares of distances in their place")


Loss = RegressionLoss | BinaryLoss | MulticlassLoss | SegmentationLoss | TripletLoss


class TrainingParams(PipelineParams, frozen=True):
    """What every pipeline that trains takes. A pipeline overrides defaults, never names."""

    epochs: Epochs = 20
    batch_size: BatchSize = 32
    optimizer: Optimizer = Field(default=Optimizer(), description="Update rule and rate")
    scheduler: Scheduler = Field(default=Scheduler(), description="Learning-rate schedule")
    initialization: InitializationName = Field(
        default="default", description="How weights start; biases are zeroed except by `default`"
    )
    early_stopping: EarlyStopping = Field(
        default=EarlyStopping(), description="When to stop before `epochs`"
    )
    validation_fraction: float | None = Field(
        default=None,
        ge=0,
        le=0.5,
        description="Share of the training rows held back to judge epochs by (early stopping, "
        "`plateau`, the best checkpoint); null holds back a tenth where early stopping or "
        "`plateau` needs it and else nothing, and then the training loss judges. The test rows "
        "never do.",
    )
    variants: list[Literal["int8", "bf16"]] = Field(
        default=[],
        max_length=2,
        description="Backends of fewer bits to publish besides: `onnxruntime-int8`, calibrated on "
        "training rows, and `onnxruntime-bf16`. Each is certified by a bound of its own, and "
        "never picked by `auto` unless the version's owner allows it.",
    )
    checkpoint_every: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Epochs (or steps, see `checkpoint_unit`) between checkpoints; null saves as "
        "often as costs under 3 % of the time. The end always has one.",
    )
    checkpoint_unit: CheckpointUnit = Field(
        default="epochs",
        description="What `checkpoint_every` counts: epochs, or optimizer steps, also within one",
    )
