"""The application: routes, middleware and errors put around the services that it is given."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp

from api import errors, metrics, openapi
from api.auth import Authenticator
from api.figures import Figures
from api.grpc_port import serving_grpc
from api.http_stats import HttpStats
from api.infer import InferFastPath
from api.middleware import GuardMiddleware, RequestMiddleware
from api.routes import ROUTERS
from api.routes.system import installed
from api.siblings import Siblings
from api.state import State
from api.tracing import TracingMiddleware
from models.tuning import Tuner
from services.absent import without
from services.container import Container
from services.inspector import Inspector
from services.introspection import Introspection
from services.serving.engine import Engine

DESCRIPTION = """
Trains PyTorch models, exports and certifies them, times them on this host and serves them.

`/v1` manages datasets, jobs, models and benchmarks; `/v2` is the Open Inference Protocol, for
`tritonclient` and its like. Errors are RFC 9457 problems on `/v1` and `{"error": …}` on `/v2`.
"""


# FastAPI's own would lie within the middleware: no span for what that refuses, and none for
# inference, which does not come so far. Its metrics and logs are ours already.
OWN_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "auto_configure": False,
}


def create_app(container: Container) -> tuple[ASGIApp, State]:
    """→ the ASGI application, and what its routes work with.

    Its lifespan starts and stops the serving engine, and stops the process that inspects models;
    the container stays its owner's.
    """
    state = _state(container)
    app = FastAPIOffline(  # whose page of documentation needs nothing from the internet
        title="torchkiln",
        version=installed("torchkiln") or "0",
        lifespan=_lifespan(state),
        redoc_url=None,
        static_url="/docs/assets",
        redirect_slashes=False,
        telemetry=OWN_TELEMETRY,
    )
    app.state.kiln = state
    routers = ROUTERS[container.settings.role]
    with without("pydantic.v1"):  # as in api/routes: it looks again here
        for router in routers:
            app.include_router(router)
    errors.install(app, routers)
    openapi.install(app, DESCRIPTION)
    guarded = GuardMiddleware(app, state.authenticator, state.max_body_bytes)
    counted = RequestMiddleware(guarded, state.http_stats)
    whole = InferFastPath(counted, state) if container.settings.serves else counted
    return (TracingMiddleware(whole, container.tracing) if container.tracing.on else whole), state


def _state(container: Container) -> State:
    settings = container.settings
    engine = Engine(
        container.registry,
        memory_bytes=settings.model_memory_bytes,
        queue_limit_s=settings.queue_limit_s,
        max_batch_rows=settings.max_batch_rows,
        tuner=Tuner(settings.tuning_dir, budget_s=settings.tune_budget_s, compiles=settings.aot),
        notices=container.notices,
    )
    inspector = Inspector(log_level=settings.log_level, log_format=settings.log_format)
    http_stats = HttpStats()
    siblings = Siblings(settings.data_dir, lambda: Figures.of(http_stats, engine))
    return State(
        container=container,
        engine=engine,
        inspector=inspector,
        introspection=Introspection(container.registry, engine.watch, inspector),
        authenticator=Authenticator(container.keys),
        http_stats=http_stats,
        siblings=siblings,
        metrics=metrics.registry(container, siblings.all),
        max_body_bytes=settings.max_body_bytes,
    )


def _lifespan(state: State):
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        await state.engine.start(serves=state.container.settings.serves)
        await state.siblings.start()
        try:
            async with serving_grpc(state):
                yield
        finally:
            await state.siblings.stop()
            state.inspector.close()
            state.container.imports.close()
            await state.engine.stop()

    return lifespan
