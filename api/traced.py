"""The short way of inference with a span for each request; taken only where tracing is on."""

from __future__ import annotations

import time

from api.exchange import Exchange
from api.fast import Connection, FastInfer
from api.heads import Head
from api.infer import PREFIX, ROUTES, SUFFIX
from api.state import State
from api.tracing import answered
from services.serving.stats import clock_ns
from services.tracing import NEW_TRACE, Tracing


class TracedInfer(FastInfer):
    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._tracing = state.container.tracing

    def begin(self, head: Head, data: bytes, start: int, client: Connection, now: int) -> bool:
        traced = TracedClient(client, self._tracing, head, now)
        begun = super().begin(head, data, start, traced, now)
        client.exchange = traced.exchange  # None where it has its answer already
        return begun


class TracedClient:
    """A client that is told of its answer, and a span that is made then: one that is left to the
    application has its span there."""

    __slots__ = ("_client", "_head", "_started", "_tracing", "exchange")

    def __init__(self, client: Connection, tracing: Tracing, head: Head, started: int) -> None:
        """`started` is by `clock_ns`."""
        self._client = client
        self._tracing = tracing
        self._head = head
        self._started = started
        self.exchange: Exchange | None = None

    def succeed(
        self, own_id: bytes, opening: bytes, values: bytes, closing: bytes, head_length: int | None
    ) -> int:
        ended = self._client.succeed(own_id, opening, values, closing, head_length)
        self._record(200 if ended else 0)
        return ended

    def refuse(self, error: Exception, own_id: bytes) -> tuple[int, int]:
        status, ended = self._client.refuse(error, own_id)
        self._record(status if ended else 0)
        return status, ended

    def _record(self, status: int) -> None:
        exchange, self.exchange = self.exchange, None
        name, version = self._head.target
        route = ROUTES[version is not None]
        path = name if version is None else f"{name}/versions/{version}"
        span = self._tracing.begin(
            f"POST {route}",
            kind="server",
            parent=self._head.traceparent or NEW_TRACE,
            at_ns=time.time_ns() - (clock_ns() - self._started),
            attributes={
                "http.request.method": "POST",
                "http.route": route,
                "network.protocol.version": "1.1",
                "url.path": f"{PREFIX}{path}{SUFFIX}",
                "url.scheme": "http",
            },
        )
        if exchange is not None:
            key = exchange.route.key
            span.set(
                {
                    "torchkiln.model": key.name,
                    "torchkiln.version": key.version,
                    "torchkiln.backend": key.backend,
                    "torchkiln.rows": exchange.rows,
                }
            )
        answered(span, status)
        span.end()
