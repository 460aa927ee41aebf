"""Figures for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from api.metrics import exposition
from api.openapi import content
from api.state import AppState

router = APIRouter(tags=["operations"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: content("text/plain", description="Prometheus' text format")},
)
def metrics(state: AppState) -> Response:
    """Of this process, and of the jobs and workers of the whole service."""
    return Response(exposition(state.metrics), media_type=CONTENT_TYPE_LATEST)
