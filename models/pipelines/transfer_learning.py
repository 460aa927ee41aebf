"""The tutorial's section 10.5: what a net learned on one task, put to use in another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from models.lazy import lazy
from models.params import (
    Activation,
    Dropout,
    Epochs,
    HiddenLayers,
    MulticlassLoss,
    TrainingParams,
)
from models.pipelines.base import Accepts, Pipeline
from models.run import Outcome, RunContext

if TYPE_CHECKING:
    from models import artifacts
    from models.transfer import report as transfer_report
    from models.transfer import run as transfer_run
else:
    artifacts = lazy("models.artifacts")
    transfer_report, transfer_run = lazy("models.transfer.report"), lazy("models.transfer.run")

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
BaseRef = Annotated[str, Field(pattern=rf"^(resnet18|{NAME}@{NAME})$")]


class TransferLearningParams(TrainingParams, frozen=True):
    epochs: Epochs = 10
    loss: MulticlassLoss = Field(default=MulticlassLoss(), description="What is minimised")
    base: BaseRef | None = Field(
        default=None,
        description="What to start from: a version in the registry as `model@version` or "
        "`model@alias`, or `resnet18` for ImageNet weights; null first trains a small net on the "
        "digits 0 to 4",
    )
    base_net: Literal["cnn", "residual", "mlp"] = Field(
        default="cnn", description="Net of the base that is trained where none is given"
    )
    base_epochs: int = Field(
        default=5, ge=1, le=1000, description="Passes over its rows for that base"
    )
    unfreeze_layers: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="How many of the base's last layers or blocks train with the head; 0 trains "
        "the head alone",
    )
    hidden: HiddenLayers = Field(default=[])
    activation: Activation = "relu"
    dropout: Dropout = 0.0
    rows_per_class: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Training rows of each class that are used, the first ones; null uses all. "
        "Transfer pays most where there are few",
    )
    compare_scratch: bool = Field(
        default=True,
        description="Also train the same net from fresh weights on the same rows, to compare",
    )
    feature_layer: str | None = Field(
        default=None,
        max_length=256,
        description="Layer whose feature maps of a test image are drawn, by its name in the "
        "served model (`net.base.layers.conv1`); null takes the first convolution",
    )
    image_side: int = Field(
        default=64,
        ge=32,
        le=224,
        description="Side to which images are resized inside of `resnet18`",
    )


def run(context: RunContext, params: TransferLearningParams) -> Outcome:
    done = transfer_run.run(context, params)
    transfer_report.draw(artifacts.Artifacts(context), done)
    return transfer_report.outcome(done)


PIPELINE = Pipeline(
    name="transfer-learning",
    title="A trained net with a new head, against the same net from scratch",
    section="10.5",
    task="multiclass",
    params=TransferLearningParams,
    run=run,
    datasets=("digits-5-9", "digits-0-4", "digits", "mnist", "fashion-mnist"),
    uploads=(Accepts("images", ("binary", "multiclass")),),
    base_param="base",
)
