"""The tutorial's section 7: images told apart, by its own net or those of 10.2 and 10.7."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from pydantic import Field

from models.image_nets import ImageNetParams, describe
from models.lazy import lazy
from models.params import BatchSize, Epochs, MulticlassLoss
from models.pipelines.base import Accepts, Pipeline
from models.run import Outcome, RunContext
from models.signature import TensorSpec

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from models import artifacts, metrics, plots, reports, supervised
else:
    np, torch = lazy("numpy"), lazy("torch")
    artifacts, metrics = lazy("models.artifacts"), lazy("models.metrics")
    plots, reports = lazy("models.plots"), lazy("models.reports")
    supervised = lazy("models.supervised")

SHOWN = 10
"""Images in a plot; twice as many held-out ones are handed out to try the model with."""

HANDED_OUT = 1 << 20
"""Pixels that are handed out, at most: 20 MB as JSON. Uploaded images may be large."""


class ImageClassificationParams(ImageNetParams, frozen=True):
    epochs: Epochs = 30
    batch_size: BatchSize = 32
    loss: MulticlassLoss = Field(default=MulticlassLoss(), description="What is minimised")


def run(context: RunContext, params: ImageClassificationParams) -> Outcome:
    dataset = supervised.load_dataset(context)
    classes = dataset.info.classes or ()
    problem = supervised.Problem(
        task=PIPELINE.task,
        architecture={
            "pre": {"name": "normalize", "channels": dataset.info.shape[0]},
            "net": describe(params, dataset.info.shape, len(classes)),
            "post": {"name": "softmax"},
        },
        loss=params.loss,
        prepare_targets=torch.from_numpy,
        output=TensorSpec("probabilities", "FP32", (-1, len(classes))),
        measures={"accuracy": metrics.right_classes},
    )
    fitted = supervised.fit(context, params, dataset, problem)
    predicted = fitted.answers(dataset.test).argmax(axis=1)
    actual = dataset.targets[dataset.test]
    files = artifacts.Artifacts(context)
    _draw_samples(files, fitted)
    reports.draw_curves(files, fitted, "loss", "accuracy")
    reports.draw_confusion(files, fitted, predicted, "images")
    _draw_errors(files, fitted, predicted)
    _hand_out(files, fitted)
    figures = {
        "test_accuracy": float((predicted == actual).mean()),
        "test_loss": fitted.history[fitted.trained.kept_epoch - 1]["test_loss"],
    }
    return supervised.outcome(fitted, figures, test_errors=int((predicted != actual).sum()))


def _draw_samples(files: artifacts.Artifacts, fitted: supervised.Fitted) -> None:
    dataset = fitted.dataset
    rows = dataset.train[:: max(1, len(dataset.train) // SHOWN)][:SHOWN]
    labels = _labels(fitted, dataset.targets[rows])
    pixels = dataset.inputs[rows]
    title = "Training samples"
    shown = [(image, f"Label: {label}") for image, label in zip(pixels, labels, strict=True)]
    numbers = {"labels": labels, "pixels": pixels.round(4).tolist()}
    files.plot("samples", title, plots.images(shown, title), numbers)


def _draw_errors(
    files: artifacts.Artifacts, fitted: supervised.Fitted, predicted: NDArray[Any]
) -> None:
    dataset = fitted.dataset
    actual = dataset.targets[dataset.test]
    wrong = np.flatnonzero(predicted != actual)[:SHOWN]
    pixels = dataset.inputs[dataset.test[wrong]]
    pairs = [_labels(fitted, codes[wrong]) for codes in (actual, predicted)]
    title = "Misclassified test images"
    shown = [
        (image, f"True: {true}, predicted: {guess}")
        for image, true, guess in zip(pixels, *pairs, strict=True)
    ]
    figure = plots.images(shown, title, empty="Every test image was classified correctly.")
    numbers = {"actual": pairs[0], "predicted": pairs[1], "pixels": pixels.round(4).tolist()}
    files.plot("misclassified", title, figure, numbers)


def _hand_out(files: artifacts.Artifacts, fitted: supervised.Fitted) -> None:
    """Raw rows that training never saw, for whoever wants to try the model."""
    dataset = fitted.dataset
    rows = dataset.test[: max(1, min(2 * SHOWN, HANDED_OUT // prod(dataset.info.shape)))]
    value = {
        "inputs": dataset.inputs[rows].tolist(),
        "labels": _labels(fitted, dataset.targets[rows]),
    }
    files.numbers("heldout", "Held-out images to try the model with", value)
    files.image("example", f"The first of them, a {value['labels'][0]}", dataset.inputs[rows[0]])


def _labels(fitted: supervised.Fitted, codes: NDArray[Any]) -> list[str]:
    classes: Sequence[str] = fitted.dataset.info.classes or ()
    return [classes[int(code)] for code in codes]


PIPELINE = Pipeline(
    name="image-classification",
    title="Images told apart by a fully connected, convolutional or residual network",
    section="7",
    task="multiclass",
    params=ImageClassificationParams,
    run=run,
    datasets=("digits", "digits-0-4", "digits-5-9", "mnist", "fashion-mnist"),
    uploads=(Accepts("images", ("binary", "multiclass")),),
)
