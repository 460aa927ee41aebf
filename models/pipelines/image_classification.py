"""The tutorial's section 7: handwritten digits told apart by a fully connected network."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from pydantic import Field

from models.lazy import lazy
from models.params import (
    Activation,
    BatchSize,
    Dropout,
    Epochs,
    HiddenLayers,
    MulticlassLoss,
    TrainingParams,
)
from models.pipelines.base import Pipeline
from models.run import Outcome, RunContext
from models.signature import TensorSpec

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from models import artifacts, metrics, plots, supervised
else:
    np, torch = lazy("numpy"), lazy("torch")
    artifacts, metrics = lazy("models.artifacts"), lazy("models.metrics")
    plots, supervised = lazy("models.plots"), lazy("models.supervised")

SHOWN = 10
"""Images in a plot, and held-out rows to try the model with."""


class ImageClassificationParams(TrainingParams, frozen=True):
    epochs: Epochs = 30
    batch_size: BatchSize = 32
    loss: MulticlassLoss = Field(default=MulticlassLoss(), description="What is minimised")
    hidden: HiddenLayers = Field(default=[128, 64])
    activation: Activation = "relu"
    dropout: Dropout = 0.2


def run(context: RunContext, params: ImageClassificationParams) -> Outcome:
    dataset = supervised.load_dataset(context)
    classes = dataset.info.classes or ()
    problem = supervised.Problem(
        task=PIPELINE.task,
        architecture={
            "pre": {"name": "normalize", "channels": dataset.info.shape[0]},
            "net": {
                "name": "mlp",
                "inputs": prod(dataset.info.shape),
                "hidden": params.hidden,
                "outputs": len(classes),
                "activation": params.activation,
                "dropout": params.dropout,
            },
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
    _draw_curves(files, fitted)
    _draw_errors(files, fitted, predicted)
    _hand_out(files, fitted)
    figures = {
        "test_accuracy": float((predicted == actual).mean()),
        "test_loss": fitted.history[fitted.trained.kept_epoch - 1]["test_loss"],
    }
    return supervised.outcome(fitted, figures, test_errors=int((predicted != actual).sum()))


def _draw_samples(files: artifacts.Artifacts, fitted: supervised.Fitted) -> None:
    dataset = fitted.dataset
    rows = dataset.train[:SHOWN]
    labels = _labels(fitted, dataset.targets[rows])
    pixels = dataset.inputs[rows]
    title = "Training samples"
    shown = [(image, f"Label: {label}") for image, label in zip(pixels, labels, strict=True)]
    numbers = {"labels": labels, "pixels": pixels.round(4).tolist()}
    files.plot("samples", title, plots.images(shown, title), numbers)


def _draw_curves(files: artifacts.Artifacts, fitted: supervised.Fitted) -> None:
    panels = {"Loss": fitted.curves("loss"), "Accuracy": fitted.curves("accuracy")}
    title = "Loss and accuracy by epoch"
    files.plot("curves", title, plots.curves(panels, title), panels)


def _draw_errors(
    files: artifacts.Artifacts, fitted: supervised.Fitted, predicted: NDArray[Any]
) -> None:
    dataset = fitted.dataset
    actual = dataset.targets[dataset.test]
    classes = list(dataset.info.classes or ())
    matrix = metrics.confusion(actual, predicted, len(classes))
    title = f"Confusion matrix, {len(actual):,} test images"
    figure = plots.confusion(matrix, classes, title)
    files.plot("confusion-matrix", title, figure, {"classes": classes, "matrix": matrix.tolist()})

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
    rows = dataset.test[: 2 * SHOWN]
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
    title="Handwritten digits told apart by a fully connected network",
    section="7",
    task="multiclass",
    params=ImageClassificationParams,
    run=run,
    datasets=("digits", "mnist"),
)
