"""Whether a dataset can be what a pipeline learns from, and what to say where it cannot."""

from __future__ import annotations

from models.data import DatasetInfo
from models.pipelines.base import Pipeline, form_of
from services.datasets import Datasets
from services.errors import FieldError, NotFound


def dataset_problems(pipeline: Pipeline, chosen: str | None, known: Datasets) -> list[FieldError]:
    """What is wrong with the dataset that a job asks for; None is the pipeline's default."""
    if chosen is None or chosen in pipeline.datasets:
        return []
    try:
        view = known.get(chosen)
    except NotFound:
        return [FieldError("dataset", f"there is no dataset {chosen!r}")]
    if view.upload is not None and pipeline.takes(view.info):
        return []
    return [
        FieldError(
            "dataset",
            f"{chosen!r} does not fit {pipeline.name}: expected {_taken_by(pipeline)}, "
            f"got {_described(view.info)}",
        )
    ]


def _taken_by(pipeline: Pipeline) -> str:
    own = [
        f"an uploaded dataset of {one.form} rows ({', '.join(one.tasks)})"
        for one in pipeline.uploads
    ]
    ways = [*pipeline.datasets, *own]
    return " or ".join(ways) or "none, because it makes its own data"


def _described(info: DatasetInfo) -> str:
    form = form_of(info)
    rows = f"rows of shape {list(info.shape)}" if form is None else f"{form} rows"
    return f"{rows} ({info.task})"
