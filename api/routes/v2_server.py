"""The Open Inference Protocol about the server itself."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.routes.system import installed
from api.schemas.v2 import Live, Ready, ServerMetadata
from api.state import Serving

router = APIRouter(prefix="/v2", tags=["open inference protocol"])

EXTENSIONS = [
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
    "parameters",
    "statistics",
]
"""Triton's names of those that are whole here. Its `schedule_policy` is not: of that there is
`timeout`, and no `priority`."""


@router.get("/", include_in_schema=False)
@router.get("")
async def server_metadata() -> ServerMetadata:
    return ServerMetadata(
        name="torchkiln", version=installed("torchkiln") or "unknown", extensions=EXTENSIONS
    )


@router.get("/health/live")
async def live() -> Live:
    return Live(live=True)


@router.get("/health/ready", responses={503: {"model": Ready, "description": "Not yet"}})
async def ready(response: Response, engine: Serving) -> Ready:
    """Whether this process can answer predictions. A database that is down does not keep it from
    that; `/readyz` tells of the whole service."""
    is_ready = engine.not_ready() is None
    response.status_code = 200 if is_ready else 503
    return Ready(ready=is_ready)
