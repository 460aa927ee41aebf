"""The table of routes. A new resource is a file in this folder and a line here."""

from __future__ import annotations

from fastapi import APIRouter

from services.absent import without
from services.settings import Role

with without("pydantic.v1"):  # which FastAPI imports to tell models of it apart: 1.5 MB
    from api.routes import (
        artifacts,
        backends,
        benchmarks,
        checkpoints,
        datasets,
        deliveries,
        events,
        health,
        introspection,
        jobs,
        metrics,
        models,
        pipelines,
        predict,
        system,
        v2_infer,
        v2_models,
        v2_repository,
        v2_server,
        v2_unsupported,
        versions,
    )

COMMON: tuple[APIRouter, ...] = (
    health.router,
    metrics.router,
    system.router,
)
"""What every API process answers."""
MANAGE: tuple[APIRouter, ...] = (
    pipelines.router,
    datasets.router,
    jobs.router,
    events.router,
    checkpoints.router,
    artifacts.router,
    deliveries.router,
    models.router,
    versions.router,
    backends.router,
    introspection.router,
    benchmarks.router,
)
SERVE: tuple[APIRouter, ...] = (
    predict.router,
    v2_server.router,
    v2_models.router,
    v2_infer.router,
    v2_repository.router,
    v2_unsupported.router,
)
"""Predictions."""

ROUTERS: dict[Role, tuple[APIRouter, ...]] = {
    "all": COMMON + MANAGE + SERVE,
    "manage": COMMON + MANAGE,
    "serve": COMMON + SERVE,
}
"""By what an API process is for; in the order in which they are asked and documented."""
