"""The Open Inference Protocol (KServe V2) with Triton's extensions."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from api.schemas.common import RequestModel, ResponseModel
from api.schemas.models import TensorOut


class Live(ResponseModel):
    live: bool


class Ready(ResponseModel):
    ready: bool


class ModelReady(ResponseModel):
    name: str
    ready: bool


class ServerMetadata(ResponseModel):
    name: str
    version: str
    extensions: list[str]


class ModelMetadata(ResponseModel):
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorOut]
    outputs: list[TensorOut]


class TensorConfig(ResponseModel):
    name: str
    data_type: str
    dims: list[int]


class ModelConfig(ResponseModel):
    """Triton's model configuration, as far as it has a meaning here."""

    name: str
    platform: str
    backend: str
    version_policy: dict[str, Any]
    max_batch_size: int
    input: list[TensorConfig]
    output: list[TensorConfig]


class ModelStats(ResponseModel):
    name: str
    version: str
    last_inference: int
    inference_count: int
    execution_count: int
    inference_stats: dict[str, dict[str, int]]
    batch_stats: list[Any]


class StatsOut(ResponseModel):
    model_stats: list[ModelStats]


class IndexIn(RequestModel):
    ready: bool = Field(False, description="Only models that are ready")


class IndexEntry(ResponseModel):
    name: str
    version: str
    state: str
    reason: str


class InferTensor(ResponseModel):
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] | None = None
    data: list[Any] | None = None


class InferRequestOutput(ResponseModel):
    name: str
    parameters: dict[str, Any] | None = None


class InferIn(ResponseModel):
    id: str | None = None
    parameters: dict[str, Any] | None = Field(
        None,
        description="`backend` chooses the backend; `binary_data_output` asks for bytes; "
        "`timeout`, in microseconds, is how long the answer is waited for",
    )
    inputs: list[InferTensor]
    outputs: list[InferRequestOutput] | None = None


class InferOut(ResponseModel):
    model_name: str
    model_version: str
    id: str | None = None
    parameters: dict[str, Any] = Field(description="`backend` says which backend answered")
    outputs: list[InferTensor]
