"""Inference without a task, a scope or a message: from the bytes of a request to its answer's.

The short way of `POST /v2/models/…/infer`. It decides nothing by itself: where a key has to be
looked up, a model loaded, or anything is out of the ordinary, it leaves the request to the
application, which answers all that this does, by the same functions.
"""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Callable
from time import perf_counter_ns
from typing import Protocol

from api.heads import Head, Heads
from api.infer import ROUTES, Answer, refusal
from api.request_ids import new_id
from api.state import State
from models.rows import Tensors, effort
from services.errors import ServiceError
from services.keys import Scope
from services.serving import batching, prediction
from services.serving.batching import Work
from services.serving.cache import Key
from services.serving.runners import LoadedRunner
from services.serving.stats import PredictionStats
from services.serving.v2_plans import Known
from services.serving.v2_request import InferRequest
from services.serving.v2_template import Template
from services.serving.versions import ServedVersion


class Client(Protocol):
    """Whom the answer goes to."""

    def succeed(self, body: bytes, head_length: int | None, own_id: bytes) -> None:
        """`head_length`: of the JSON of `body`, where binary tensors follow it."""
        ...

    def refuse(self, answer: Answer, own_id: bytes) -> None: ...


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


class Exchange(Work):
    """A request under way."""

    __slots__ = ("_client", "_id", "_route", "_runner", "refused")

    def __init__(self, own_id: bytes, client: Client) -> None:
        self.started = perf_counter_ns()
        self._id = own_id
        self._client = client
        self.refused = False

    def submit(
        self, route: Route, runner: LoadedRunner, inputs: Tensors, timeout_s: float | None
    ) -> None:
        """Raises `Busy`."""
        self._route = route
        self._runner = runner
        served, rows = route.served, route.request.rows
        super().__init__(
            inputs,
            rows,
            effort(inputs, rows) if served.takes_sequences else rows,
            served.dtypes,
            None if timeout_s is None else get_running_loop().time() + timeout_s,
        )
        self.parsed()
        try:
            runner.submit(self)
        except ServiceError:
            route.stats.failed(self)
            raise

    def answered(self, answer: batching.Answer) -> None:
        route = self._route
        if isinstance(answer, Exception):
            route.stats.failed(self)
            self.refuse(answer)
            return
        try:
            body, head_length = route.template.encode(answer)
        except Exception as error:  # NaN that JSON cannot hold, say
            self.refuse(error)
            return
        route.stats.succeeded(self, route.request.rows)
        self._client.succeed(body, head_length, self._id)

    def refuse(self, error: Exception) -> None:
        self.refused = True
        self._client.refuse(refusal(error, self._id), self._id)

    def drop(self) -> None:
        """Nobody waits for the answer any more."""
        self._runner.drop(self)


class FastInfer:
    """One a process."""

    def __init__(self, state: State) -> None:
        self._engine = state.engine
        self._allows = state.authenticator.allows
        self.heads = Heads(state.max_body_bytes)
        self._http_stats = state.http_stats
        self._successes = {
            by_version: state.http_stats.of("POST", route, 200)
            for by_version, route in ROUTES.items()
        }

    def count(self, head: Head, status: int, seconds: float) -> None:
        by_version = head.version is not None
        if status == 200:
            self._successes[by_version].add(seconds)
        else:
            self._http_stats.of("POST", ROUTES[by_version], status).add(seconds)

    def begin(self, head: Head, body: bytes, client: Client) -> Exchange | None:
        """Answer `client`, at once or soon; None leaves the request to the application."""
        served = self._engine.find(head.name, head.version)
        if served is None or not self._allows(Scope.PREDICT, head.secret):
            return None
        exchange = Exchange(head.given_id or new_id(), client)
        try:
            known, inputs = served.plans.match(body, head.head_size) or prediction.read_whole(
                served, body, head.header_length, head.head_size
            )
            request = known.request
            if request.pictures is not None:  # to be decoded in a thread
                return None
            route = known.route or self._route(known, served)
            runner = self._engine.cache.peek(route.key)
            if runner is None:
                return None
            runner.stats = route.stats
            timeout_s = head.timeout_s
            if request.timeout_us is not None:
                timeout_s = prediction.earliest(request.timeout_us, timeout_s)
            exchange.submit(route, runner, inputs, timeout_s)
        except Exception as error:
            exchange.refuse(error)
        return exchange

    def _route(self, known: Known, served: ServedVersion) -> Route:
        known.route = Route(served, known.request, self._engine.stats_of)
        return known.route
