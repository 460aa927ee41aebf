"""The table of routes. A new resource is a file in this folder and a line here."""

from __future__ import annotations

from fastapi import APIRouter

from api.routes import (
    artifacts,
    backends,
    benchmarks,
    checkpoints,
    datasets,
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

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    metrics.router,
    system.router,
    pipelines.router,
    datasets.router,
    jobs.router,
    events.router,
    checkpoints.router,
    artifacts.router,
    models.router,
    versions.router,
    backends.router,
    introspection.router,
    predict.router,
    benchmarks.router,
    v2_server.router,
    v2_models.router,
    v2_infer.router,
    v2_repository.router,
    v2_unsupported.router,
)
"""In the order in which they are asked and documented."""
