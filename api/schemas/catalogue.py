"""Pipelines."""

from __future__ import annotations

from typing import Any, Literal

from api.schemas.common import ResponseModel
from models.data.base import DataTask
from models.pipelines.base import Form, Pipeline, Task


class AcceptsOut(ResponseModel):
    """Uploaded datasets that fit: rows of this form, with targets of these kinds."""

    form: Form
    tasks: list[DataTask]


class PipelineOut(ResponseModel):
    name: str
    object: Literal["pipeline"] = "pipeline"
    title: str
    section: str
    task: Task
    produces_model: bool
    datasets: list[str]
    uploads: list[AcceptsOut]

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
        "uploads": [AcceptsOut(form=one.form, tasks=list(one.tasks)) for one in pipeline.uploads],
    }
