"""What happens to every request but the hot path's: id, log line, count, key, size."""

from __future__ import annotations

import time
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import Authenticator
from api.bodies import check_length
from api.errors import response_to
from api.http_stats import HttpStats
from api.request_ids import HEADER, request_id
from services import logging
from services.errors import FieldError, Invalid

QUIET = frozenset({"/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})
"""Asked every few seconds by machines: logged only when they go wrong."""
UNMATCHED = "unmatched"

log = structlog.get_logger(__name__)


class RequestMiddleware:
    """Gives the request an id, counts it, logs it, and answers what nobody else has caught."""

    def __init__(self, app: ASGIApp, stats: HttpStats) -> None:
        self.app = app
        self.stats = stats

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        own_id = request_id(_header(scope, HEADER))
        scope.setdefault("state", {})["request_id"] = own_id.decode()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (HEADER, own_id)]
            await send(message)

        with logging.bound(request_id=own_id.decode()):
            try:
                await self.app(scope, receive, send_with_id)
            except Exception as error:
                log.exception("request_failed")
                if not status:
                    await response_to(error, scope["path"])(scope, receive, send_with_id)
            finally:
                self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route: Any = scope.get("route")
        template: str = getattr(route, "path", UNMATCHED)
        self.stats.of(known_method(scope["method"]), template, status).add(seconds)
        if template not in QUIET or status >= 400:
            log.info(
                "request",
                method=scope["method"],
                route=template,
                status=status,
                ms=round(seconds * 1e3, 2),
            )


class GuardMiddleware:
    """Refuses what no route should see: no key, too many bytes, a NUL that SQL cannot hold."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator, max_body_bytes: int) -> None:
        self.app = app
        self.authenticator = authenticator
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                await self._check(scope)
            except Exception as error:
                await response_to(error, scope["path"])(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _check(self, scope: Scope) -> None:
        await self.authenticator.check(scope["method"], scope["path"], dict(scope["headers"]))
        check_length(_header(scope, b"content-length"), self.max_body_bytes)
        for where, text in (("path", scope["path"]), ("query", _query(scope))):
            if "\x00" in text:
                message = "expected text without NUL characters"
                raise Invalid(f"{where}: {message}", errors=(FieldError(where, message),))


def _query(scope: Scope) -> str:
    return scope["query_string"].decode("latin-1").replace("%00", "\x00")


def _header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)


def known_method(method: str) -> str:
    """Clients may make methods up; the metrics keep to those that exist."""
    return method if method in {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"} else "OTHER"
