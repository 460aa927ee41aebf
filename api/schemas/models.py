"""Models, versions, aliases, files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field

from api.schemas.common import RequestModel, ResponseModel, Time
from services.registry import ModelView, VersionView


class ModelUrls(ResponseModel):
    self: str
    versions: str
    predict: str


class ModelOut(ResponseModel):
    name: str
    object: Literal["model"] = "model"
    created_at: Time
    versions: int = Field(description="How many versions there are")
    latest: int | None
    aliases: dict[str, int]
    urls: ModelUrls

    @classmethod
    def show(cls, view: ModelView) -> ModelOut:
        base = f"/v1/models/{view.name}"
        return cls(
            name=view.name,
            created_at=view.created_at,
            versions=view.versions,
            latest=view.latest,
            aliases=dict(view.aliases),
            urls=ModelUrls(self=base, versions=f"{base}/versions", predict=f"{base}/predict"),
        )


class TensorOut(ResponseModel):
    name: str
    datatype: str
    shape: list[int]


class InputOut(TensorOut):
    columns: list[str] | None = Field(
        default=None,
        exclude_if=lambda names: names is None,
        description="Names of a table's features, in order; absent where they have no names",
    )


class SignatureOut(ResponseModel):
    inputs: list[InputOut]
    outputs: list[TensorOut]


class BackendState(ResponseModel):
    """How a backend stands; `parity` is its certificate."""

    model_config = ConfigDict(frozen=True, extra="allow")

    status: Literal["certified", "rejected", "failed", "absent"]
    reason: str | None = None
    auto: bool | None = Field(
        default=None,
        exclude_if=lambda allowed: allowed is None,
        description="Whether `backend=auto` may pick it, where that was said; false for variants "
        "of fewer bits until their owner allows it",
    )
    parity: dict[str, Any] | None = None


class BackendIn(RequestModel):
    auto: bool = Field(description="Whether `backend=auto` may pick it")


class VersionUrls(ResponseModel):
    self: str
    files: str
    predict: str


class VersionOut(ResponseModel):
    object: Literal["model_version"] = "model_version"
    name: str
    version: int
    aliases: list[str]
    job_id: str | None
    created_at: Time
    task: str
    signature: SignatureOut
    classes: list[Any] | None
    metrics: dict[str, Any]
    backends: dict[str, BackendState]
    preferred_backend: dict[str, str] | None = Field(
        description="The fastest certified backend by batch size, as benchmarked on this host"
    )
    lineage: dict[str, Any]
    urls: VersionUrls

    @classmethod
    def show(cls, view: VersionView) -> VersionOut:
        row = view.row
        base = f"/v1/models/{row.name}/versions/{row.version}"
        preferred = view.preferred_backend
        return cls(
            name=row.name,
            version=row.version,
            aliases=list(view.aliases),
            job_id=row.job_id,
            created_at=row.created_at,
            task=row.task,
            signature=SignatureOut.model_validate(row.signature),
            classes=row.classes,
            metrics=row.metrics,
            backends={
                name: BackendState.model_validate(state) for name, state in row.backends.items()
            },
            preferred_backend=None if preferred is None else dict(preferred),
            lineage=row.lineage,
            urls=VersionUrls(
                self=base,
                files=f"{base}/files",
                predict=f"/v1/models/{row.name}@{row.version}/predict",
            ),
        )


class FileOut(ResponseModel):
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    url: str

    @classmethod
    def show(cls, view: VersionView, file: Mapping[str, Any]) -> FileOut:
        base = f"/v1/models/{view.row.name}/versions/{view.row.version}/files"
        return cls.model_validate({**file, "url": f"{base}/{file['name']}"})


class AliasIn(RequestModel):
    version: int = Field(ge=1, le=2**31 - 1, description="Number of the version to point at")
