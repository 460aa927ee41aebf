"""Inference without a task, a scope or a message: from the bytes of a request to its answer's.

The short way of `POST /v2/models/…/infer`. It decides nothing by itself: where a key has to be
looked up, a model loaded, or anything is out of the ordinary, it leaves the request to the
application, which answers all that this does, by the same functions.
"""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Callable

from api.heads import Head, Heads
from api.infer import Answer, answer_of, refusal
from api.request_ids import request_id
from api.state import State
from models.rows import Tensors, effort
from services.errors import ServiceError
from services.keys import Scope
from services.serving import batching, prediction
from services.serving.batching import Call
from services.serving.cache import Key
from services.serving.runners import LoadedRunner
from services.serving.stats import PredictionStats, Timing
from services.serving.v2_plans import Known
from services.serving.v2_request import InferRequest
from services.serving.v2_template import Template
from services.serving.versions import ServedVersion

Send = Callable[[Answer, bytes], None]
"""Takes an answer and the id of its request."""


class Route:
    """What requests with the same plan have in common."""

    __slots__ = ("key", "request", "served", "stats", "template")

    def __init__(self, served: ServedVersion, request: InferRequest, stats: Stats) -> None:
        """Raises `ServiceError` where the backend that it asks for may not answer."""
        backend = served.backend_for(request.backend, request.rows)
        self.served = served
        self.request = request
        self.key = Key(served.name, served.version, backend)
        self.stats = stats(served, backend)
        self.template = Template(request, served, backend)


Stats = Callable[[ServedVersion, str], PredictionStats]


class Exchange:
    """A request under way."""

    __slots__ = ("_call", "_id", "_route", "_runner", "_send", "_timing", "answered")

    def __init__(self, timing: Timing, own_id: bytes, send: Send) -> None:
        self._timing = timing
        self._id = own_id
        self._send = send
        self.answered = False

    def submit(
        self, route: Route, runner: LoadedRunner, inputs: Tensors, timeout_s: float | None
    ) -> None:
        """Raises `Busy`."""
        self._route = route
        self._runner = runner
        served, rows = route.served, route.request.rows
        self._call = Call(
            inputs,
            rows,
            self._timing,
            self._answer,
            effort=effort(inputs, rows) if served.takes_sequences else rows,
            dtypes=served.dtypes,
            deadline=None if timeout_s is None else get_running_loop().time() + timeout_s,
        )
        self._timing.parsed()
        try:
            runner.submit(self._call)
        except ServiceError:
            route.stats.failed(self._timing)
            raise

    def _answer(self, outputs: batching.Answer) -> None:
        self.answered = True
        route = self._route
        if isinstance(outputs, Exception):
            route.stats.failed(self._timing)
            self.refuse(outputs)
            return
        try:
            answer = answer_of(*route.template.encode(outputs))
        except Exception as error:  # NaN that JSON cannot hold, say
            self.refuse(error)
            return
        route.stats.succeeded(self._timing, route.request.rows)
        self._send(answer, self._id)

    def refuse(self, error: Exception) -> None:
        self.answered = True
        self._send(refusal(error, self._id), self._id)

    def drop(self) -> None:
        """Nobody waits for the answer any more."""
        if not self.answered:
            self._runner.drop(self._call)


class FastInfer:
    """One a process."""

    def __init__(self, state: State) -> None:
        self._engine = state.engine
        self._allows = state.authenticator.allows
        self.heads = Heads(state.max_body_bytes)
        self.stats = state.http_stats

    def begin(self, head: Head, body: bytes, send: Send) -> Exchange | None:
        """Answer a request by `send`, at once or soon; None leaves it to the application."""
        timing = Timing()
        served = self._engine.find(head.name, head.version)
        if served is None or not self._allows(Scope.PREDICT, head.secret):
            return None
        exchange = Exchange(timing, head.given_id or request_id(None), send)
        try:
            known, inputs = prediction.read(served, body, head.header_length)
            if known.request.pictures is not None:  # to be decoded in a thread
                return None
            route = known.route or self._route(known, served)
            runner = self._engine.cache.peek(route.key)
            if runner is None:
                return None
            runner.stats = route.stats
            timeout_s = prediction.earliest(known.request.timeout_us, head.timeout_s)
            exchange.submit(route, runner, inputs, timeout_s)
        except Exception as error:
            exchange.refuse(error)
        return exchange

    def _route(self, known: Known, served: ServedVersion) -> Route:
        known.route = Route(served, known.request, self._engine.stats_of)
        return known.route
