"""The tutorial's section 4, its nets at work: any number of classes out of a table's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from models import tabular
from models.lazy import lazy
from models.params import Cosine, Epochs, FastAdam, MulticlassLoss
from models.pipelines.base import Accepts, Pipeline
from models.run import Outcome, RunContext
from models.signature import TensorSpec
from models.tabular import TabularParams

if TYPE_CHECKING:
    import torch

    from models import artifacts, metrics, reports, supervised
else:
    torch = lazy("torch")
    artifacts, metrics = lazy("models.artifacts"), lazy("models.metrics")
    reports, supervised = lazy("models.reports"), lazy("models.supervised")


class TabularClassificationParams(TabularParams, frozen=True):
    """One hidden layer of 20 is the section's `SimpleNN`; [20, 15] its sequential model."""

    epochs: Epochs = 60
    optimizer: FastAdam = Field(default=FastAdam(), description="Update rule and rate")
    scheduler: Cosine = Field(default=Cosine(), description="Learning-rate schedule")
    loss: MulticlassLoss = Field(default=MulticlassLoss(), description="What is minimised")


def run(context: RunContext, params: TabularClassificationParams) -> Outcome:
    dataset = supervised.load_dataset(context)
    classes = len(dataset.info.classes or ())
    post = {"name": "softmax"}
    problem = supervised.Problem(
        task=PIPELINE.task,
        architecture=tabular.architecture(params, dataset.info.shape[0], classes, post),
        loss=params.loss,
        prepare_targets=torch.from_numpy,
        output=TensorSpec("probabilities", "FP32", (-1, classes)),
        measures={"accuracy": metrics.right_classes},
    )
    fitted = supervised.fit(context, params, dataset, problem)
    predicted = fitted.answers(dataset.test).argmax(axis=1)
    wrong = predicted != dataset.targets[dataset.test]
    files = artifacts.Artifacts(context)
    reports.draw_curves(files, fitted, "loss", "accuracy")
    reports.draw_confusion(files, fitted, predicted)
    figures = {
        "test_accuracy": float((~wrong).mean()),
        "test_loss": fitted.history[fitted.trained.kept_epoch - 1]["test_loss"],
    }
    return supervised.outcome(fitted, figures, test_errors=int(wrong.sum()))


PIPELINE = Pipeline(
    name="tabular-classification",
    title="Classes told apart by the columns of a table",
    section="4",
    task="multiclass",
    params=TabularClassificationParams,
    run=run,
    datasets=("wine",),
    uploads=(Accepts("tabular", ("binary", "multiclass")),),
)
