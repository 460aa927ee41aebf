"""The tutorial's section 6: two classes that no line separates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from models.lazy import lazy
from models.params import (
    Activation,
    BinaryLoss,
    Dropout,
    Epochs,
    HiddenLayers,
    LearningRate,
    Optimizer,
    ScheduleName,
    Scheduler,
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

GRID = 121
"""Points of the drawn plane on each side."""


class FastAdam(Optimizer, frozen=True):
    lr: LearningRate = 1e-2


class Cosine(Scheduler, frozen=True):
    name: ScheduleName = "cosine"


class BinaryClassificationParams(TrainingParams, frozen=True):
    """The tutorial's, except that the rate falls to zero along a cosine: at the constant 0.01 the
    accuracy of the last epoch moves by two points from epoch to epoch."""

    epochs: Epochs = 100
    optimizer: FastAdam = Field(default=FastAdam(), description="Update rule and rate")
    scheduler: Cosine = Field(default=Cosine(), description="Learning-rate schedule")
    loss: BinaryLoss = Field(default=BinaryLoss(), description="What is minimised")
    hidden: HiddenLayers = Field(default=[16, 16])
    activation: Activation = "relu"
    dropout: Dropout = 0.0


def run(context: RunContext, params: BinaryClassificationParams) -> Outcome:
    dataset = supervised.load_dataset(context)
    problem = supervised.Problem(
        task=PIPELINE.task,
        architecture={
            "pre": {"name": "identity"},
            "net": {
                "name": "mlp",
                "inputs": dataset.info.shape[0],
                "hidden": params.hidden,
                "outputs": 1,
                "activation": params.activation,
                "dropout": params.dropout,
            },
            "post": {"name": "sigmoid_pair"},
        },
        loss=params.loss,
        prepare_targets=_column,
        output=TensorSpec("probabilities", "FP32", (-1, 2)),
        measures={"accuracy": metrics.right_signs},
    )
    fitted = supervised.fit(context, params, dataset, problem)
    predicted = fitted.answers(dataset.test).argmax(axis=1)
    scores = metrics.binary_scores(dataset.targets[dataset.test], predicted)
    _draw(artifacts.Artifacts(context), fitted)
    figures = {f"test_{name}": value for name, value in scores.items()}
    figures["test_loss"] = fitted.history[fitted.trained.kept_epoch - 1]["test_loss"]
    return supervised.outcome(fitted, figures)


def _column(targets: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(targets.astype(np.float32))[:, None]


def _draw(files: artifacts.Artifacts, fitted: supervised.Fitted) -> None:
    panels = {"Loss": fitted.curves("loss"), "Accuracy": fitted.curves("accuracy")}
    title = "Loss and accuracy by epoch"
    files.plot("curves", title, plots.curves(panels, title), panels)
    if fitted.dataset.info.shape == (2,):
        _draw_boundary(files, fitted)


def _draw_boundary(files: artifacts.Artifacts, fitted: supervised.Fitted) -> None:
    dataset = fitted.dataset
    points = dataset.inputs
    low, high = points.min(axis=0) - 0.5, points.max(axis=0) + 0.5
    x, y = (np.linspace(low[axis], high[axis], GRID, dtype=np.float32) for axis in (0, 1))
    plane = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    with torch.inference_mode():
        answer: Any = fitted.servable(torch.from_numpy(plane))
    probability = answer.numpy()[:, 1].reshape(GRID, GRID)
    names = (dataset.info.features or (), dataset.info.classes or ())
    title = "Decision boundary"
    figure = plots.decision_boundary((x, y, probability), points, dataset.targets, names, title)
    numbers = {
        "x": x.tolist(),
        "y": y.tolist(),
        "probability": probability.round(6).tolist(),
        "points": points.tolist(),
        "labels": dataset.targets.tolist(),
    }
    files.plot("decision-boundary", title, figure, numbers)


PIPELINE = Pipeline(
    name="binary-classification",
    title="Two classes told apart by a small network",
    section="6",
    task="binary",
    params=BinaryClassificationParams,
    run=run,
    datasets=("moons",),
)
