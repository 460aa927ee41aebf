"""What happens to every call: key, id, count, log line, and an answer to whatever goes wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import structlog

from api.auth import secret_in
from api.grpc.errors import refusal_of
from api.grpc.messages import Message, parsed
from api.request_ids import HEADER, request_id
from api.state import State
from services import logging
from services.keys import Scope
from services.serving.stats import clock_ns

METHOD = "POST"
"""What gRPC is on the wire; the route's name says that it is gRPC."""
SILENT = frozenset({"ModelInfer", "ModelStreamInfer", "ServerLive", "ServerReady"})
"""Calls that come by the thousand, or every few seconds: counted, not logged."""
READ = frozenset({"authorization", "x-api-key", HEADER.decode()})
"""What this service reads of a call's metadata."""

log = structlog.get_logger(__name__)

Context = Any
"""A `grpc.aio.ServicerContext` for any messages."""
Metadata = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as its method sees it."""

    state: State
    name: str
    scope: Scope | None
    context: Context
    headers: Mapping[bytes, bytes]
    """Of its metadata, what this service reads."""

    async def authorize(self) -> None:
        """Raises what `Authenticator.require` does."""
        if self.scope is not None:
            await self.state.authenticator.require(self.scope, secret_in(self.headers))

    @property
    def time_left_s(self) -> float | None:
        """Until the client's deadline; None where it has set none."""
        return self.context.time_remaining()

    def count(self, started: int, status: int) -> None:
        """`started` is by `clock_ns`."""
        seconds = (clock_ns() - started) / 1e9
        self.state.http_stats.of(METHOD, route_of(self.name), status).add(seconds)


def route_of(name: str) -> str:
    """Of a method, as requests are counted by routes."""
    return f"grpc:{name}"


Answer = Callable[[Call, Message], Awaitable[Message]]
Streaming = Callable[[Call, AsyncIterator[bytes]], Awaitable[None]]


def unary(
    state: State, name: str, scope: Scope | None, asked: Any, answer: Answer
) -> Callable[..., Any]:
    """A servicer's method, whose requests are messages of the class `asked`. A call that its client
    cancels ends where it waits, uncounted."""

    async def method(request: bytes, context: Context) -> Message:
        started = clock_ns()
        call = Call(state, name, scope, context, headers_in(context.invocation_metadata() or ()))
        own_id = request_id(call.headers.get(HEADER)).decode()
        with logging.bound(request_id=own_id):
            try:
                await call.authorize()
                response = await answer(call, parsed(asked, request))
            except Exception as error:
                return await refuse(call, error, started, own_id)
            context.set_trailing_metadata(((HEADER.decode(), own_id),))
            _done(call, started, 200)
            return response

    return method


def streaming(state: State, name: str, scope: Scope, serve: Streaming) -> Callable[..., Any]:
    """The same for a stream; what it answers is counted one by one, by `serve`."""

    async def method(requests: AsyncIterator[bytes], context: Context) -> None:
        started = clock_ns()
        call = Call(state, name, scope, context, headers_in(context.invocation_metadata() or ()))
        own_id = request_id(call.headers.get(HEADER)).decode()
        try:
            await call.authorize()
            context.set_trailing_metadata(((HEADER.decode(), own_id),))
            await serve(call, requests)
        except Exception as error:
            await refuse(call, error, started, own_id)

    return method


def headers_in(metadata: Metadata) -> dict[bytes, bytes]:
    """What this service reads of it."""
    return {
        key.encode(): value.encode() if isinstance(value, str) else value
        for key, value in metadata
        if key in READ
    }


async def refuse(call: Call, error: Exception, started: int, own_id: str) -> NoReturn:
    """End the call with the status that is `error`'s, by raising what gRPC ends calls with."""
    refusal = refusal_of(error)
    with logging.bound(request_id=own_id):
        if refusal.status == 500:
            log.error("request_failed", route=route_of(call.name), exc_info=error)
        _done(call, started, refusal.status)
    metadata = ((HEADER.decode(), own_id), *refusal.metadata)
    await call.context.abort(refusal.code, refusal.details, metadata)
    raise AssertionError("gRPC goes on after an abort")


def _done(call: Call, started: int, status: int) -> None:
    call.count(started, status)
    if call.name not in SILENT:
        ms = round((clock_ns() - started) / 1e6, 2)
        log.info("request", method=METHOD, route=route_of(call.name), status=status, ms=ms)
