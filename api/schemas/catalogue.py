"""Pipelines and datasets."""

from __future__ import annotations

from typing import Any, Literal

from api.schemas.common import ResponseModel
from models.data import DatasetInfo
from models.pipelines.base import Pipeline, Task


class PipelineOut(ResponseModel):
    name: str
    object: Literal["pipeline"] = "pipeline"
    title: str
    section: str
    task: Task
    produces_model: bool
    datasets: list[str]

    @classmethod
    def show(cls, pipeline: Pipeline) -> PipelineOut:
        return cls(**_fields(pipeline))


class PipelineDetail(PipelineOut):
    params_schema: dict[str, Any]

    @classmethod
    def show(cls, pipeline: Pipeline) -> PipelineDetail:
        return cls(**_fields(pipeline), params_schema=pipeline.params.model_json_schema())


def _fields(pipeline: Pipeline) -> dict[str, Any]:
    return {
        "name": pipeline.name,
        "title": pipeline.title,
        "section": pipeline.section,
        "task": pipeline.task,
        "produces_model": pipeline.produces_model,
        "datasets": list(pipeline.datasets),
    }


class DatasetOut(ResponseModel):
    id: str
    object: Literal["dataset"] = "dataset"
    title: str
    kind: str
    source: str
    task: str
    bundled: bool
    available: bool
    rows: int
    shape: list[int]
    features: list[str] | None
    target: str
    classes: list[str] | None

    @classmethod
    def show(cls, info: DatasetInfo, *, available: bool) -> DatasetOut:
        return cls.model_validate(
            {
                **vars(info),
                "shape": list(info.shape),
                "features": None if info.features is None else list(info.features),
                "classes": None if info.classes is None else list(info.classes),
                "available": available,
            }
        )


class DatasetPreview(ResponseModel):
    """The first rows: named columns, or pixels in [0, 1] with their label."""

    id: str
    object: Literal["dataset_preview"] = "dataset_preview"
    kind: str
    columns: list[str] | None = None
    shape: list[int] | None = None
    rows: list[Any]
