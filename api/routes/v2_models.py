"""The Open Inference Protocol about models: metadata, readiness, configuration, statistics."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Response

from api.openapi import errors
from api.schemas.models import TensorOut
from api.schemas.v2 import (
    ModelConfig,
    ModelMetadata,
    ModelReady,
    ModelStats,
    StatsOut,
    TensorConfig,
)
from api.state import Name, Serving
from models.signature import BYTES, TensorSpec
from services.serving.engine import Engine
from services.serving.versions import ServedVersion

router = APIRouter(prefix="/v2/models", tags=["open inference protocol"])

PLATFORM = "torchkiln"
NO_BATCH_LIMIT = 1 << 16
"""Triton's clients read 0 as "the first dimension is no batch", so a limit has to be named."""


@router.get("/stats")
async def all_stats(engine: Serving) -> StatsOut:
    """Of every version, as counted by this process."""
    return StatsOut(model_stats=[_stats(engine, served) for served in engine.versions()])


@router.get("/{name}/versions/{version}", responses=errors(404))
@router.get("/{name}", responses=errors(404))
async def metadata(name: Name, engine: Serving, version: Name | None = None) -> ModelMetadata:
    served = await engine.watch.locate(name, version)
    return ModelMetadata(
        name=served.name,
        versions=[str(number) for number in sorted(engine.watch.versions[served.name])],
        platform=PLATFORM,
        inputs=_tensors(served.signature.inputs),
        outputs=_tensors(served.signature.outputs),
    )


@router.get("/{name}/versions/{version}/ready", responses=errors(404, 503))
@router.get("/{name}/ready", responses=errors(404, 503))
async def model_ready(
    name: Name, response: Response, engine: Serving, version: Name | None = None
) -> ModelReady:
    served = await engine.watch.locate(name, version)
    ready = engine.is_ready(served)
    if not ready:
        response.status_code = 503
        response.headers["Retry-After"] = "1"
    return ModelReady(name=name, ready=ready)


@router.get("/{name}/versions/{version}/config", responses=errors(404))
@router.get("/{name}/config", responses=errors(404))
async def config(name: Name, engine: Serving, version: Name | None = None) -> ModelConfig:
    served = await engine.watch.locate(name, version)
    return ModelConfig(
        name=served.name,
        platform=PLATFORM,
        backend=served.backends[0] if served.backends else "",
        version_policy={"specific": {"versions": [served.version]}},
        max_batch_size=NO_BATCH_LIMIT,
        input=_configs(served.signature.inputs),
        output=_configs(served.signature.outputs),
    )


@router.get("/{name}/versions/{version}/stats", responses=errors(404))
@router.get("/{name}/stats", responses=errors(404))
async def stats(name: Name, engine: Serving, version: Name | None = None) -> StatsOut:
    """Of one version, or of all of the model, as counted by this process."""
    served = await engine.watch.locate(name, version)
    if version is not None:
        return StatsOut(model_stats=[_stats(engine, served)])
    return StatsOut(
        model_stats=[_stats(engine, one) for one in engine.versions() if one.name == name]
    )


def _tensors(specs: Sequence[TensorSpec]) -> list[TensorOut]:
    return [
        TensorOut(name=spec.name, datatype=spec.datatype, shape=list(spec.shape)) for spec in specs
    ]


def _configs(specs: Sequence[TensorSpec]) -> list[TensorConfig]:
    return [
        TensorConfig(name=spec.name, data_type=_config_type(spec), dims=list(spec.row_shape))
        for spec in specs
    ]


def _config_type(spec: TensorSpec) -> str:
    """Triton's configuration has another word for BYTES than its protocol."""
    return "TYPE_STRING" if spec.datatype == BYTES else f"TYPE_{spec.datatype}"


def _stats(engine: Engine, served: ServedVersion) -> ModelStats:
    figures = engine.version_stats(served).to_triton()
    return ModelStats(name=served.name, version=str(served.version), **figures)
