"""The tutorial's section 8: a real quantity out of a table's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from models import tabular
from models.lazy import lazy
from models.params import (
    BatchNorm,
    BatchSize,
    Cosine,
    Dropout,
    Epochs,
    HiddenLayers,
    Optimizer,
    RegressionLoss,
)
from models.pipelines.base import Accepts, Pipeline
from models.run import Outcome, RunContext
from models.signature import TensorSpec
from models.tabular import TabularParams

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from models import artifacts, metrics, plots, reports, supervised
else:
    torch = lazy("torch")
    artifacts, metrics = lazy("models.artifacts"), lazy("models.metrics")
    plots, reports = lazy("models.plots"), lazy("models.reports")
    supervised = lazy("models.supervised")

SHOWN = 5000
"""Points in a plot: the first test rows, which are as good as any others."""


class DecayingAdam(Optimizer, frozen=True):
    weight_decay: float = Field(
        default=1e-5, ge=0, le=1, description="L2 penalty (decoupled for adamw)"
    )


class RegressionParams(TabularParams, frozen=True):
    """The tutorial's, except that the rate falls to zero along a cosine: over five folds of the
    training rows of `diabetes` that explains 0.44 of the variance, a constant rate 0.42."""

    epochs: Epochs = 100
    batch_size: BatchSize = 64
    optimizer: DecayingAdam = Field(default=DecayingAdam(), description="Update rule and rate")
    scheduler: Cosine = Field(default=Cosine(), description="Learning-rate schedule")
    loss: RegressionLoss = Field(
        default=RegressionLoss(), description="What is minimised, of standardised targets"
    )
    hidden: HiddenLayers = Field(default=[64, 32])
    dropout: Dropout = 0.2
    batch_norm: BatchNorm = True


def run(context: RunContext, params: RegressionParams) -> Outcome:
    dataset = supervised.load_dataset(context)
    post = {"name": "destandardize", "size": 1}
    problem = supervised.Problem(
        task=PIPELINE.task,
        architecture=tabular.architecture(params, dataset.info.shape[0], 1, post),
        loss=params.loss,
        prepare_targets=torch.from_numpy,
        output=TensorSpec("prediction", "FP32", (-1, 1)),
        measures={"mae": metrics.absolute_errors},
    )
    fitted = supervised.fit(context, params, dataset, problem)
    pair = dataset.targets[dataset.test], fitted.answers(dataset.test)
    scaled = _standardized(fitted, pair[0]), _standardized(fitted, pair[1])
    files = artifacts.Artifacts(context)
    reports.draw_curves(files, fitted, "loss", "mae")
    _draw_predictions(files, "predictions", dataset.info.target, *pair)
    name = f"{dataset.info.target} (standardised)"
    _draw_predictions(files, "predictions-standardized", name, *scaled)
    figures = {
        **{f"test_{name}": value for name, value in metrics.regression_scores(*pair).items()},
        "test_loss": fitted.history[fitted.trained.kept_epoch - 1]["test_loss"],
    }
    return supervised.outcome(fitted, figures, standardized=metrics.regression_scores(*scaled))


def _standardized(fitted: supervised.Fitted, values: NDArray[Any]) -> NDArray[Any]:
    """Values of the target's unit → those that the net learns, by the training rows' statistics."""
    post: Any = fitted.servable.post
    with torch.inference_mode():
        return post.inverse(torch.from_numpy(values)).numpy()


def _draw_predictions(
    files: artifacts.Artifacts,
    name: str,
    target: str,
    actual: NDArray[Any],
    predicted: NDArray[Any],
) -> None:
    title = f"Predicted against actual {target}, test rows"
    pairs = {
        "actual": actual[:SHOWN, 0].tolist(),
        "predicted": predicted[:SHOWN, 0].tolist(),
    }
    files.plot(name, title, plots.predictions(**pairs, target=target, title=title), pairs)


PIPELINE = Pipeline(
    name="regression",
    title="A quantity predicted from the columns of a table",
    section="8",
    task="regression",
    params=RegressionParams,
    run=run,
    datasets=("diabetes", "california", "synthetic-linear"),
    uploads=(Accepts("tabular", ("regression",)),),
)
