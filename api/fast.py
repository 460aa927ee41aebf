"""Inference without a task, a scope or a message: from the bytes of a request to its answer's.

The short way of `POST /v2/models/…/infer`. It decides nothing by itself: where a key has to be
looked up, a model loaded, or anything is out of the ordinary, it leaves the request to the
application, which answers all that this does, by the same functions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from api.heads import Head, Heads
from api.infer import ROUTES, Answer, answer_of, refusal
from api.request_ids import request_id
from api.state import State
from models.rows import Tensors, effort
from services.errors import ServiceError
from services.keys import Scope
from services.serving import batching, prediction, v2_response
from services.serving.batching import Call
from services.serving.cache import Key
from services.serving.runners import LoadedRunner
from services.serving.stats import PredictionStats, Timing
from services.serving.v2_request import InferRequest
from services.serving.versions import ServedVersion

Send = Callable[[Answer, bytes], None]
"""Takes an answer and the id of its request."""


class Exchange:
    """A request under way: what its answer is made with, and from whom it can be taken back."""

    __slots__ = (
        "_backend",
        "_call",
        "_id",
        "_request",
        "_runner",
        "_send",
        "_served",
        "_stats",
        "_timing",
        "answered",
    )

    def __init__(self, served: ServedVersion, timing: Timing, own_id: bytes, send: Send) -> None:
        self._call: Call | None = None
        self._served = served
        self._timing = timing
        self._id = own_id
        self._send = send
        self.answered = False

    def submit(
        self,
        runner: LoadedRunner,
        backend: str,
        request: InferRequest,
        inputs: Tensors,
        timeout_s: float | None,
        stats: PredictionStats,
    ) -> None:
        """Raises `Busy`."""
        self._runner = runner
        self._backend = backend
        self._request = request
        self._stats = stats
        loop = asyncio.get_running_loop()
        self._call = Call(
            inputs,
            request.rows,
            self._timing,
            self._answered,
            effort=effort(inputs, request.rows) if self._served.takes_sequences else None,
            dtypes=self._served.dtypes,
            deadline=None if timeout_s is None else loop.time() + timeout_s,
        )
        self._timing.parsed()
        try:
            runner.submit(self._call)
        except ServiceError:
            stats.failed(self._timing)
            raise

    def _answered(self, outputs: batching.Answer) -> None:
        self.answered = True
        if isinstance(outputs, Exception):
            self._stats.failed(self._timing)
            self.refuse(outputs)
            return
        try:
            answer = answer_of(
                *v2_response.encode(self._request, self._served, self._backend, outputs)
            )
        except Exception as error:  # NaN that JSON cannot hold, say
            answer = refusal(error, self._id)
        else:
            self._stats.succeeded(self._timing, self._request.rows)
        self._send(answer, self._id)

    def refuse(self, error: Exception) -> None:
        self.answered = True
        self._send(refusal(error, self._id), self._id)

    def drop(self) -> None:
        """Nobody waits for the answer any more."""
        if self._call is not None:
            self._runner.drop(self._call)


class FastInfer:
    """One a process."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._engine = state.engine
        self._allows = state.authenticator.allows
        self.heads = Heads(state.max_body_bytes)

    def begin(self, head: Head, body: bytes, send: Send) -> Exchange | None:
        """Answer a request by `send`, at once or soon; None leaves it to the application."""
        timing = Timing()
        served = self._engine.find(head.name, head.version)
        if served is None or not self._allows(Scope.PREDICT, head.secret):
            return None
        exchange = Exchange(served, timing, head.given_id or request_id(None), send)
        try:
            request, inputs = prediction.read(served, body, head.header_length)
            if request.pictures is not None:  # to be decoded in a thread
                return None
            backend = served.backend_for(request.backend, request.rows)
            runner = self._engine.cache.peek(Key(served.name, served.version, backend))
            if runner is None:
                return None
            stats = self._engine.stats_of(served, backend)
            timeout_s = prediction.earliest(request.timeout_us, head.timeout_s)
            exchange.submit(runner, backend, request, inputs, timeout_s, stats)
        except Exception as error:
            exchange.refuse(error)
        return exchange

    def count(self, head: Head, status: int, seconds: float) -> None:
        route = ROUTES[head.version is not None]
        self._state.http_stats.of("POST", route, status).add(seconds)
