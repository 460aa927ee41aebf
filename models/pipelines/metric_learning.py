"""The tutorial's triplet loss (section 10.4) at work: digits to points, like near like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from models.image_nets import ImageNet, ImageNetParams, describe
from models.lazy import lazy
from models.params import Epochs, Mining, TripletLoss
from models.pipelines.base import Accepts, Pipeline
from models.run import Outcome, RunContext
from models.signature import TensorSpec

if TYPE_CHECKING:
    import torch

    from models import artifacts, neighbours, supervised
    from models.reports import retrieval
else:
    torch = lazy("torch")
    artifacts, neighbours = lazy("models.artifacts"), lazy("models.neighbours")
    retrieval, supervised = lazy("models.reports.retrieval"), lazy("models.supervised")


class AllTriplets(TripletLoss, frozen=True):
    """On digits they generalise better than the hardest ones, which training soon has by heart."""

    mining: Mining = "batch_all"


class MetricLearningParams(ImageNetParams, frozen=True):
    epochs: Epochs = 6
    batch_size: int = Field(
        default=64,
        ge=8,
        le=256,
        description="Rows in one optimizer step, which triplets are mined from; several of each "
        "class should be among them",
    )
    net: Annotated[ImageNet, Field(description=ImageNetParams.model_fields["net"].description)] = (
        "cnn"
    )
    loss: AllTriplets = Field(default=AllTriplets(), description="What is minimised")
    dimensions: int = Field(default=16, ge=2, le=1024, description="Numbers of an embedding")


def run(context: RunContext, params: MetricLearningParams) -> Outcome:
    dataset = supervised.load_dataset(context)
    problem = supervised.Problem(
        task=PIPELINE.task,
        architecture={
            "pre": {"name": "normalize", "channels": dataset.info.shape[0]},
            "net": describe(params, dataset.info.shape, params.dimensions),
            "post": {"name": "unit_norm"},
        },
        loss=params.loss,
        prepare_targets=torch.from_numpy,
        output=TensorSpec("embedding", "FP32", (-1, params.dimensions)),
        measures={"leave_one_out_recall": neighbours.right_neighbours},
    )
    fitted = supervised.fit(context, params, dataset, problem)
    found = retrieval.retrieve(fitted)
    retrieval.draw(artifacts.Artifacts(context), fitted, found)
    figures = found.figures()
    figures["test_loss"] = fitted.history[fitted.trained.kept_epoch - 1]["test_loss"]
    return supervised.outcome(fitted, figures, pixel_recall_at_1=retrieval.pixel_recall(dataset))


PIPELINE = Pipeline(
    name="metric-learning",
    title="Images as points, those of one class near each other",
    section="10.4",
    task="embedding",
    params=MetricLearningParams,
    run=run,
    datasets=("digits", "mnist", "fashion-mnist"),
    uploads=(Accepts("images", ("binary", "multiclass")),),
)
