"""The tutorial's section 6: two classes that no line separates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from models import tabular
from models.lazy import lazy
from models.params import BinaryLoss, Cosine, Epochs, FastAdam, HiddenLayers
from models.pipelines.base import Accepts, Pipeline
from models.run import Outcome, RunContext
from models.signature import TensorSpec
from models.tabular import TabularParams

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

GRID = 121
"""Points of the drawn plane on each side."""

SHOWN = 5000
"""Rows in the plane, the first ones, at most so many."""


class BinaryClassificationParams(TabularParams, frozen=True):
    """The tutorial's, except that features are standardised, because a table's columns differ in
    unit, and that the rate falls to zero along a cosine: at the constant 0.01 the accuracy of the
    last epoch moves by two points from epoch to epoch."""

    epochs: Epochs = 100
    optimizer: FastAdam = Field(default=FastAdam(), description="Update rule and rate")
    scheduler: Cosine = Field(default=Cosine(), description="Learning-rate schedule")
    loss: BinaryLoss = Field(default=BinaryLoss(), description="What is minimised")
    hidden: HiddenLayers = Field(default=[16, 16])


def run(context: RunContext, params: BinaryClassificationParams) -> Outcome:
    dataset = supervised.load_dataset(context)
    post = {"name": "sigmoid_pair"}
    problem = supervised.Problem(
        task=PIPELINE.task,
        architecture=tabular.architecture(params, dataset.info.shape[0], 1, post),
        loss=params.loss,
        prepare_targets=_column,
        output=TensorSpec("probabilities", "FP32", (-1, 2)),
        measures={"accuracy": metrics.right_signs},
    )
    fitted = supervised.fit(context, params, dataset, problem)
    answers, actual = fitted.answers(dataset.test), dataset.targets[dataset.test]
    scores = metrics.binary_scores(actual, answers.argmax(axis=1))
    _draw(artifacts.Artifacts(context), fitted, answers)
    figures = {f"test_{name}": value for name, value in scores.items()}
    figures["test_loss"] = fitted.history[fitted.trained.kept_epoch - 1]["test_loss"]
    _, positive = dataset.info.classes or ("0", "1")
    return supervised.outcome(fitted, figures, positive_class=positive)


def _column(targets: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(targets.astype(np.float32))[:, None]


def _draw(
    files: artifacts.Artifacts, fitted: supervised.Fitted, answers: NDArray[np.float32]
) -> None:
    reports.draw_curves(files, fitted, "loss", "accuracy")
    reports.draw_confusion(files, fitted, answers.argmax(axis=1))
    reports.draw_roc(files, fitted, answers[:, 1])
    if fitted.dataset.info.shape == (2,):
        _draw_boundary(files, fitted)


def _draw_boundary(files: artifacts.Artifacts, fitted: supervised.Fitted) -> None:
    dataset = fitted.dataset
    points, labels = dataset.inputs[:SHOWN], dataset.targets[:SHOWN]
    x, y = (_along(points[:, axis]) for axis in (0, 1))
    plane = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    with torch.inference_mode():
        answer: Any = fitted.servable(torch.from_numpy(plane))
    probability = answer.numpy()[:, 1].reshape(GRID, GRID)
    names = (dataset.info.features or ("x1", "x2"), dataset.info.classes or ())
    title = "Decision boundary"
    figure = plots.decision_boundary((x, y, probability), points, labels, names, title)
    numbers = {
        "x": x.tolist(),
        "y": y.tolist(),
        "probability": probability.round(6).tolist(),
        "points": points.tolist(),
        "labels": labels.tolist(),
    }
    files.plot("decision-boundary", title, figure, numbers)


def _along(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Where to look along one feature: over its range and an eighth more on both sides, which is
    the tutorial's 0.5 for the moons."""
    low, high = float(values.min()), float(values.max())
    margin = (high - low) / 8 or 0.5
    return np.linspace(low - margin, high + margin, GRID, dtype=np.float32)


PIPELINE = Pipeline(
    name="binary-classification",
    title="Two classes told apart by a small network",
    section="6",
    task="binary",
    params=BinaryClassificationParams,
    run=run,
    datasets=("moons", "breast-cancer"),
    uploads=(Accepts("tabular", ("binary",)),),
)
