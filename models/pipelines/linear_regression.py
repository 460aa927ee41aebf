"""The tutorial's section 5: a linear relation learned by gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from models.lazy import lazy
from models.params import (
    Epochs,
    LearningRate,
    Optimizer,
    RegressionLoss,
    TrainingParams,
    UpdateRule,
)
from models.pipelines.base import Pipeline
from models.run import Outcome, RunContext
from models.signature import TensorSpec

if TYPE_CHECKING:
    import numpy as np
    import torch

    from models import artifacts, metrics, plots, supervised
else:
    np, torch = lazy("numpy"), lazy("torch")
    artifacts, metrics = lazy("models.artifacts"), lazy("models.metrics")
    plots, supervised = lazy("models.plots"), lazy("models.supervised")


class GradientDescent(Optimizer, frozen=True):
    name: UpdateRule = "sgd"
    lr: LearningRate = 1e-2


class LinearRegressionParams(TrainingParams, frozen=True):
    epochs: Epochs = 100
    optimizer: GradientDescent = Field(
        default=GradientDescent(), description="Update rule and rate"
    )
    loss: RegressionLoss = Field(default=RegressionLoss(), description="What is minimised")


def run(context: RunContext, params: LinearRegressionParams) -> Outcome:
    dataset = supervised.load_dataset(context)
    features = dataset.info.shape[0]
    problem = supervised.Problem(
        task=PIPELINE.task,
        architecture={
            "pre": {"name": "identity"},
            "net": {"name": "linear", "inputs": features, "outputs": 1},
            "post": {"name": "identity"},
        },
        loss=params.loss,
        prepare_targets=torch.from_numpy,
        output=TensorSpec("output", "FP32", (-1, 1)),
    )
    fitted = supervised.fit(context, params, dataset, problem)
    scores = metrics.regression_scores(dataset.targets[dataset.test], fitted.answers(dataset.test))
    state = fitted.servable.net.state_dict()
    learned = state["linear.weight"].numpy()[0]
    true = dataset.truth["weights"][:, 0]
    results = {
        "max_abs_weight_error": float(np.abs(learned - true).max()),
        "bias": float(state["linear.bias"]),
        "true_bias": 0.0,
    }
    _draw(artifacts.Artifacts(context), fitted, learned, true)
    figures = {f"test_{name}": value for name, value in scores.items()}
    return supervised.outcome(fitted, figures, **results)


def _draw(
    files: artifacts.Artifacts,
    fitted: supervised.Fitted,
    learned: np.ndarray,
    true: np.ndarray,
) -> None:
    losses = fitted.curves("loss")
    title = "Loss by epoch"
    files.plot("loss", title, plots.curves({"Loss": losses}, title, scale="log"), losses)
    title = "Learned against true weights"
    weights = {"learned": learned.tolist(), "true": true.tolist()}
    files.plot("weights", title, plots.compared_weights(**weights, title=title), weights)


PIPELINE = Pipeline(
    name="linear-regression",
    title="Linear regression by gradient descent",
    section="5",
    task="regression",
    params=LinearRegressionParams,
    run=run,
    datasets=("synthetic-linear",),
)
