"""The routes of requests that have been seen before, each with the runner that answers it now."""

from __future__ import annotations

from api.exchange import Endpoint, Route
from models.rows import Tensors
from services.serving.engine import Engine
from services.serving.runners import LoadedRunner
from services.serving.v2_plans import Buffer, Known
from services.serving.versions import ServedVersion


class KnownRoutes:
    """What the short ways of HTTP and gRPC do alike, between reading a request and queueing it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ready(
        self,
        served: ServedVersion,
        known: Known,
        values: Buffer,
        given: Tensors | None,
        endpoint: Endpoint,
    ) -> tuple[Route, LoadedRunner] | None:
        """None where the model is not in memory; `values` and `given` are those of `Exchange`.

        Raises `ServiceError` where the backend that the request asks for may not answer.
        """
        route: Route | None = known.routes.get(endpoint)
        if route is None:
            inputs = given or known.arrays(values)
            route = Route(served, known, inputs, self._engine.stats_of, endpoint)
            known.routes[endpoint] = route
        runner = route.runner
        if runner is None or runner.retired:
            runner = self._engine.cache.peek(route.key)
            if runner is None:
                return None
            route.answered_by(runner)
        return route, runner
