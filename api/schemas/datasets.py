"""Datasets: what clients upload, and what they are told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from api.schemas.common import RequestModel, ResponseModel, Time
from models.data.base import DataTask, Kind
from services.datasets import DatasetView
from services.ids import NAME
from services.uploads import NewUpload


def _or_none(value: Any) -> Any:
    """A field of a form that is left empty is none."""
    return None if value == "" else value


class DatasetIn(RequestModel):
    file: Annotated[
        Path,
        WithJsonSchema({"type": "string", "format": "binary"}),
        Field(
            description="CSV with a header; a zip of folders of PNG or JPEG files, a folder a "
            "class; an .npz of `x` and `y` without pickles; or JSON lines of a `sequence` and "
            "its `label`"
        ),
    ]
    name: str = Field(pattern=f"^{NAME.pattern}$", description="For people; need not be unique")
    kind: Kind
    target: Annotated[str | None, BeforeValidator(_or_none)] = Field(
        None, max_length=256, description="The column of a CSV to learn; the last one if not given"
    )
    task: Annotated[DataTask | None, BeforeValidator(_or_none)] = Field(
        None, description="What the targets are, where they could be read in two ways"
    )

    def to_service(self) -> NewUpload:
        return NewUpload(self.name, self.kind, self.target, self.task)


class DatasetOut(ResponseModel):
    id: str
    object: Literal["dataset"] = "dataset"
    name: str
    title: str
    kind: str
    source: str
    task: str
    bundled: bool
    uploaded: bool
    available: bool
    rows: int
    shape: list[int]
    features: list[str] | None
    target: str
    classes: list[str] | None
    size_bytes: int | None
    sha256: str | None
    created_at: Time | None

    @classmethod
    def show(cls, view: DatasetView) -> DatasetOut:
        return cls.model_validate(_fields(view))


class DatasetDetail(DatasetOut):
    profile: dict[str, Any] | None = Field(
        description="What was found in an upload when it was checked; null for built-in ones"
    )

    @classmethod
    def show(cls, view: DatasetView) -> DatasetDetail:
        profile = None if view.upload is None else view.upload.profile
        return cls.model_validate({**_fields(view), "profile": profile})


def _fields(view: DatasetView) -> dict[str, Any]:
    info, row = view.info, view.upload
    return {
        **vars(info),
        "name": info.id if row is None else row.name,
        "shape": list(info.shape),
        "features": None if info.features is None else list(info.features),
        "classes": None if info.classes is None else list(info.classes),
        "uploaded": row is not None,
        "available": view.available,
        "size_bytes": None if row is None else row.size_bytes,
        "sha256": None if row is None else row.sha256,
        "created_at": None if row is None else row.created_at,
    }


class DatasetPreview(ResponseModel):
    """The first rows: named columns, or `pixels`, `steps` or `values` with their target."""

    id: str
    object: Literal["dataset_preview"] = "dataset_preview"
    kind: str
    columns: list[str] | None = None
    shape: list[int] | None = None
    rows: list[Any]
