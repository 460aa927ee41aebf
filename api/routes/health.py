"""Whether the process lives and whether it should get traffic."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response

from api.schemas.system import Alive, Readiness
from api.state import Services, Serving

router = APIRouter(tags=["operations"])


@router.get("/healthz")
async def healthz() -> Alive:
    """200 as long as the process answers; asks nobody else."""
    return Alive()


@router.get(
    "/readyz", responses={503: {"model": Readiness, "description": "A part does not answer"}}
)
async def readyz(response: Response, services: Services, engine: Serving) -> Readiness:
    """200 when database and broker answer and the default models are loaded."""
    parts = await asyncio.to_thread(services.health.check)
    parts = {**parts, "models": engine.not_ready()}
    failing = [name for name, reason in parts.items() if reason is not None]
    if failing:
        response.status_code = 503
        response.headers["Retry-After"] = "1"
    return Readiness(status="not_ready" if failing else "ready", parts=parts, failing=failing)
