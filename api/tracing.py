"""A span for each request, as OpenTelemetry's conventions for HTTP servers have it.

Stands before everything else, so that what is refused has one too, and the lines of the log that a
request leaves name it. Where tracing is off it does not stand there at all.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.infer import ROUTES, target_of
from api.middleware import QUIET, known_method
from services.tracing import NEW_TRACE, Span, Tracing

TRACEPARENT = b"traceparent"


class TracingMiddleware:
    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self.app = app
        self.tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in QUIET:
            await self.app(scope, receive, send)
            return
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method = known_method(scope["method"])
        with self.tracing.span(
            method, kind="server", parent=_parent(scope), attributes=_asked(scope)
        ) as span:
            try:
                await self.app(scope, receive, noted)
            finally:
                if route := _route(scope):
                    span.rename(f"{method} {route}")
                    span.set({"http.route": route})
                answered(span, status)


def answered(span: Span, status: int) -> None:
    """`status`: 0 where the client was gone before there was one."""
    if status:
        span.set({"http.response.status_code": status})
    if status >= 500:
        span.fail(str(status))


def traceparent_in(headers: Mapping[bytes, bytes]) -> str | None:
    value = headers.get(TRACEPARENT)
    return None if value is None else value.decode("latin-1")


def _parent(scope: Scope) -> str:
    """The header, where there is one; of several nobody knows which one is meant."""
    given = [value for name, value in scope["headers"] if name == TRACEPARENT]
    return given[0].decode("latin-1") if len(given) == 1 else NEW_TRACE


def _asked(scope: Scope) -> dict[str, str]:
    method = known_method(scope["method"])
    attributes = {
        "http.request.method": "_OTHER" if method == "OTHER" else method,
        "network.protocol.version": scope["http_version"],
        "url.path": scope["path"],
        "url.scheme": scope["scheme"],
    }
    if agent := dict(scope["headers"]).get(b"user-agent"):
        attributes["user_agent.original"] = agent.decode("latin-1")
    return attributes


def _route(scope: Scope) -> str | None:
    target = target_of(scope["path"])
    if target is not None and scope["method"] == "POST":
        return ROUTES[target[1] is not None]
    return getattr(scope.get("route"), "path", None)
