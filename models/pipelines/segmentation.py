"""The tutorial's Dice loss (section 10.4) at work: which pixels of a picture belong to a shape."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from pydantic import Field

from models.errors import InvalidData
from models.lazy import lazy
from models.params import (
    BatchSize,
    Cosine,
    Epochs,
    FastAdam,
    SegmentationLoss,
    TrainingParams,
)
from models.pipelines.base import Accepts, Pipeline
from models.run import Outcome, RunContext
from models.signature import TensorSpec

if TYPE_CHECKING:
    import torch

    from models import artifacts, overlap, plots, reports, supervised
else:
    torch = lazy("torch")
    artifacts, overlap = lazy("models.artifacts"), lazy("models.overlap")
    plots, reports = lazy("models.plots"), lazy("models.reports")
    supervised = lazy("models.supervised")

SHOWN = 5
"""Test pictures in a plot."""

PIXELS = 1 << 18
"""In a plot's numbers, at most: three numbers each, 6 MB as JSON. Uploaded pictures may be large,
and fewer are shown."""

FIGURES = ("test_dice", "test_iou", "test_loss")
"""Dice and IoU are means over the pictures, of the pixels with a probability above a half."""


class SegmentationParams(TrainingParams, frozen=True):
    epochs: Epochs = 6
    batch_size: BatchSize = 16
    optimizer: FastAdam = Field(default=FastAdam(), description="Update rule and rate")
    scheduler: Cosine = Field(default=Cosine(), description="Learning-rate schedule")
    loss: SegmentationLoss = Field(default=SegmentationLoss(), description="What is minimised")
    width: int = Field(
        default=8, ge=1, le=128, description="Filters of the first level; each next has twice those"
    )
    levels: int = Field(
        default=2, ge=1, le=5, description="How often a picture is halved on the way down"
    )


def run(context: RunContext, params: SegmentationParams) -> Outcome:
    dataset = supervised.load_dataset(context)
    channels, height, width = _sides(dataset.info.shape, params.levels)
    problem = supervised.Problem(
        task=PIPELINE.task,
        architecture={
            "pre": {"name": "normalize", "channels": channels},
            "net": {
                "name": "unet",
                "channels": channels,
                "outputs": 1,
                "width": params.width,
                "levels": params.levels,
            },
            "post": {"name": "sigmoid"},
        },
        loss=params.loss,
        prepare_targets=torch.from_numpy,
        output=TensorSpec("probabilities", "FP32", (-1, 1, height, width)),
        measures={"dice": overlap.dice, "iou": overlap.iou},
    )
    fitted = supervised.fit(context, params, dataset, problem)
    files = artifacts.Artifacts(context)
    reports.draw_curves(files, fitted, "loss", "dice")
    _draw_masks(files, fitted)
    last = fitted.history[fitted.trained.kept_epoch - 1]
    return supervised.outcome(fitted, {name: last[name] for name in FIGURES})


def _sides(shape: tuple[int, ...], levels: int) -> tuple[int, ...]:
    """Pictures that can be halved `levels` times, and are not a single pixel then, of which a batch
    of one would have no spread to normalise by."""
    unit = 2**levels
    if len(shape) != 3 or any(side % unit or side == unit for side in shape[1:]):
        raise InvalidData(
            f"'levels' {levels} expected pictures (channels, height, width) whose sides are "
            f"multiples of {unit} above {unit}, got {list(shape)}"
        )
    return shape


def _draw_masks(files: artifacts.Artifacts, fitted: supervised.Fitted) -> None:
    dataset = fitted.dataset
    rows = dataset.test[: max(1, min(SHOWN, PIXELS // prod(dataset.info.shape)))]
    pixels, truth = dataset.inputs[rows], dataset.targets[rows]
    probabilities = fitted.answers(rows)
    scores = [
        float(overlap.dice(torch.from_numpy(said - 0.5), torch.from_numpy(mask)))
        for said, mask in zip(probabilities[:, None], truth[:, None], strict=True)
    ]
    title = "Test pictures, their masks and what the model says"
    shown = [
        (image, mask[0], said[0], f"Dice {score:.3f}")
        for image, mask, said, score in zip(pixels, truth, probabilities, scores, strict=True)
    ]
    numbers = {
        "pixels": pixels.round(4).tolist(),
        "masks": truth.astype(int).tolist(),
        "probabilities": probabilities.round(4).tolist(),
        "dice": scores,
    }
    files.plot("masks", title, plots.masks(shown, title), numbers)


PIPELINE = Pipeline(
    name="segmentation",
    title="Shapes told from their background, pixel by pixel",
    section="10.4",
    task="segmentation",
    params=SegmentationParams,
    run=run,
    datasets=("shapes",),
    uploads=(Accepts("images", ("segmentation",)),),
)
