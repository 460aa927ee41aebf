"""`ModelInfer` for messages that are like one before: no parsing, and batches as HTTP's short way
has them. It decides nothing by itself: what is out of the ordinary it leaves to `infer.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from api.auth import secret_in
from api.exchange import Endpoint, Exchange
from api.grpc import requests
from api.grpc.beginnings import Beginnings, target_of
from api.grpc.guard import Call, Context, Metadata, headers_in, refuse, route_of
from api.grpc.messages import Message, parsed, pb
from api.grpc.responses import MessageTemplate
from api.known_routes import KnownRoutes
from api.request_ids import GIVEN, HEADER, new_id
from api.state import State
from models.rows import Tensors
from services.keys import Scope
from services.serving.stats import clock_ns
from services.serving.v2_plans import Known
from services.serving.versions import ServedVersion

NAME = "ModelInfer"
MAX_CALLERS = 256

Slow = Callable[[bytes, Context], Awaitable[Message]]


@dataclass(frozen=True, slots=True)
class Caller:
    secret: bytes | None
    given_id: bytes | None


class Callers(dict[Metadata, Caller]):
    """By their metadata, which a client sends alike with each call."""

    def __missing__(self, metadata: Metadata) -> Caller:
        headers = headers_in(metadata)
        given = headers.get(HEADER)
        caller = Caller(secret_in(headers), given if given and GIVEN.fullmatch(given) else None)
        if given is None:  # ids differ from call to call
            if len(self) >= MAX_CALLERS:
                self.clear()
            self[metadata] = caller
        return caller


class Waiting:
    """A call that waits for its answer; the `Client` of its exchange."""

    __slots__ = ("answer",)

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def succeed(
        self, own_id: bytes, opening: bytes, values: bytes, closing: bytes, head_length: int | None
    ) -> int:
        if self.answer.done():  # cancelled
            return 0
        self.answer.set_result(b"".join((opening, values, closing)))
        return clock_ns()

    def refuse(self, error: Exception, own_id: bytes) -> tuple[int, int]:
        """By raising it in the call, where it is counted like any other."""
        if not self.answer.done():
            self.answer.set_exception(error)
        return 0, 0


class FastCalls:
    """One a process."""

    def __init__(self, state: State) -> None:
        self._watch = state.engine.watch
        self._allows = state.authenticator.allows
        self._routes = KnownRoutes(state.engine)
        self._beginnings = Beginnings()
        self._endpoint = Endpoint(state.http_stats, route_of(NAME), MessageTemplate)

    def begin(
        self, data: bytes, caller: Caller, own_id: bytes, waiting: Waiting, now: int
    ) -> Exchange | None:
        """What `FastInfer.begin` does for HTTP, but for submitting the exchange; None leaves the
        call to the slow way. `now` is by `clock_ns`.

        Raises `ServiceError`s that name what is wrong with the request.
        """
        if not self._allows(Scope.PREDICT, caller.secret, now * 1e-9):
            return None
        begun = self._beginnings.find(data)
        message: Message = None
        if begun is None:
            message = parsed(pb.ModelInferRequest, data)
        target = target_of(message) if begun is None else begun[1]
        served = self._watch.refs.get(target)
        if served is None or target[0] in self._watch.unloaded:
            return None
        found = None if begun is None else served.messages.find(data, 0, begun[0])
        given: Tensors | None = None
        if found is not None:
            known, values = found
        else:
            known, given = self._read(data, message, served)
            values = b""
            if known.request.pictures is not None:  # to be decoded in a thread
                return None
        ready = self._routes.ready(served, known, values, given, self._endpoint)
        if ready is None:
            return None
        return Exchange(waiting, own_id, now, *ready, values, given)

    def _read(self, data: bytes, message: Message, served: ServedVersion) -> tuple[Known, Tensors]:
        """A request that is like none before, to this version at least."""
        if message is None:
            message = parsed(pb.ModelInferRequest, data)
        request = requests.read(message, served)
        size = None if request.layout is None else self._beginnings.learn(data, message)
        known = (
            Known(request, (), 0) if size is None else served.messages.learn(request, data, size)
        )
        return known, request.inputs


def model_infer(state: State, slow: Slow) -> Callable[[bytes, Context], Awaitable[bytes]]:
    """The servicer's method, from bytes to bytes; `slow` takes what this leaves."""
    fast, callers = FastCalls(state), Callers()

    async def method(data: bytes, context: Context) -> bytes:
        now = clock_ns()
        caller = callers[context.invocation_metadata() or ()]
        own_id = caller.given_id or new_id()
        waiting = Waiting()
        exchange: Exchange | None = None
        try:
            exchange = fast.begin(data, caller, own_id, waiting, now)
            if exchange is not None:
                exchange.submit(context.time_remaining())
                answer = await waiting.answer
                context.set_trailing_metadata(((HEADER.decode(), own_id.decode()),))
                return answer
        except asyncio.CancelledError:
            if exchange is not None:
                exchange.drop()
            raise
        except Exception as error:
            call = Call(state, NAME, Scope.PREDICT, context, {})
            await refuse(call, error, now, own_id.decode())
        return (await slow(data, context)).SerializeToString()

    return method
