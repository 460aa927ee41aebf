"""The tutorial's section 10.2 at work: self-attention tells sequences of any length apart."""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING

from pydantic import Field

from models.errors import InvalidData
from models.lazy import lazy
from models.params import (
    BatchSize,
    Cosine,
    Dropout,
    Epochs,
    LearningRate,
    MulticlassLoss,
    Optimizer,
    TrainingParams,
)
from models.pipelines.base import Accepts, Pipeline
from models.run import Outcome, RunContext
from models.signature import TensorSpec

if TYPE_CHECKING:
    import torch

    from models import artifacts, metrics, reports, supervised
    from models.data import Dataset
    from models.reports import sequences as sequence_reports
else:
    torch, supervised = lazy("torch"), lazy("models.supervised")
    artifacts, metrics = lazy("models.artifacts"), lazy("models.metrics")
    reports, sequence_reports = lazy("models.reports"), lazy("models.reports.sequences")

MAX_PAIRS = 1 << 25
"""Pairs of steps in a batch, each several numbers of every block while training; 1024 steps in
batches of 32."""


class AttentionAdam(Optimizer, frozen=True):
    lr: LearningRate = 5e-3


class SequenceClassificationParams(TrainingParams, frozen=True):
    epochs: Epochs = 16
    batch_size: BatchSize = 32
    optimizer: AttentionAdam = Field(default=AttentionAdam(), description="Update rule and rate")
    scheduler: Cosine = Field(default=Cosine(), description="Learning-rate schedule")
    loss: MulticlassLoss = Field(default=MulticlassLoss(), description="What is minimised")
    width: int = Field(
        default=32,
        ge=2,
        le=1024,
        multiple_of=2,
        description="Numbers that stand for a step between the layers; even, because its place "
        "takes pairs of them",
    )
    layers: int = Field(
        default=2,
        ge=1,
        le=12,
        description="Blocks of self-attention; one sees which steps there are, the second in what "
        "order",
    )
    dropout: Dropout = 0.0


def run(context: RunContext, params: SequenceClassificationParams) -> Outcome:
    dataset = supervised.load_dataset(context)
    _check_steps(dataset.inputs.shape[1], params.batch_size)
    fitted = supervised.fit(context, params, dataset, _problem(params, dataset))
    predicted = fitted.answers(dataset.test).argmax(axis=1)
    right = predicted == dataset.targets[dataset.test]
    files = artifacts.Artifacts(context)
    reports.draw_curves(files, fitted, "loss", "accuracy")
    reports.draw_confusion(files, fitted, predicted, "sequences")
    sequence_reports.draw_attention(files, fitted, predicted)
    sequence_reports.hand_out(files, fitted)
    figures = {
        "test_accuracy": float(right.mean()),
        "test_loss": fitted.history[fitted.trained.kept_epoch - 1]["test_loss"],
    }
    return supervised.outcome(fitted, figures, test_errors=int((~right).sum()))


def _problem(params: SequenceClassificationParams, dataset: Dataset) -> supervised.Problem:
    features, classes = dataset.info.shape[-1], dataset.info.classes or ()
    return supervised.Problem(
        task=PIPELINE.task,
        architecture={
            "pre": {"name": "standardize", "size": features},
            "net": {
                "name": "attention",
                "inputs": features,
                "outputs": len(classes),
                "width": params.width,
                "layers": params.layers,
                "dropout": params.dropout,
            },
            "post": {"name": "softmax"},
        },
        loss=params.loss,
        prepare_targets=torch.from_numpy,
        output=TensorSpec("probabilities", "FP32", (-1, len(classes))),
        measures={"accuracy": metrics.right_classes},
    )


def _check_steps(steps: int, batch_size: int) -> None:
    """Refuse what would end for want of memory, here or when batches of 32 are certified."""
    most = isqrt(MAX_PAIRS // max(batch_size, 32))
    if steps > most:
        raise InvalidData(
            f"expected sequences of at most {most} steps in batches of {batch_size}, got {steps}: "
            "attention compares each step with each"
        )


PIPELINE = Pipeline(
    name="sequence-classification",
    title="Sequences of any length told apart by self-attention",
    section="10.2",
    task="multiclass",
    params=SequenceClassificationParams,
    run=run,
    datasets=("waves",),
    uploads=(Accepts("sequences", ("binary", "multiclass")),),
)
