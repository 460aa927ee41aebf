"""A request of the short way, and what it has in common with others like it."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Protocol

import structlog

from api.http_stats import HttpStats, RouteStats
from models.backends.base import Runner
from models.rows import Tensors, effort
from services.errors import ServiceError
from services.serving import batching
from services.serving.batching import Group, Ran, Work
from services.serving.direct import Direct
from services.serving.key import Key
from services.serving.prediction import earliest
from services.serving.runners import LoadedRunner
from services.serving.stats import PredictionStats, clock_ns
from services.serving.v2_plans import Buffer, Known
from services.serving.v2_template import Template
from services.serving.versions import ServedVersion

log = structlog.get_logger(__name__)

VALUES = attrgetter("values")

Stats = Callable[[ServedVersion, str], PredictionStats]


class Client(Protocol):
    """Whom the answer goes to. Both say when they have sent it, by `clock_ns`; 0 for not at all."""

    def succeed(
        self, own_id: bytes, opening: bytes, values: bytes, closing: bytes, head_length: int | None
    ) -> int:
        """The body is in three parts; `head_length`: of its JSON, where binary tensors follow."""
        ...

    def refuse(self, error: Exception, own_id: bytes) -> tuple[int, int]:
        """→ the answer's status, and when."""
        ...


class Endpoint:
    """One template of a path: how its answers are written, and counted."""

    __slots__ = ("_path", "_stats", "successes", "template")

    def __init__(
        self, stats: HttpStats, path: str, template: Callable[..., Template] = Template
    ) -> None:
        self._stats = stats
        self._path = path
        self.template = template
        self.successes: RouteStats = stats.of("POST", path, 200)

    def refuse(self, client: Client, error: Exception, own_id: bytes, started: int) -> None:
        status, ended = client.refuse(error, own_id)
        if ended:
            self._stats.of("POST", self._path, status).add((ended - started) / 1e9)


class Route(Group):
    """What requests with the same plan have in common, to one endpoint."""

    __slots__ = (
        "_direct",
        "dtypes",
        "effort",
        "endpoint",
        "key",
        "known",
        "rows",
        "runner",
        "stats",
        "template",
        "timeout_us",
    )

    def __init__(
        self,
        served: ServedVersion,
        known: Known,
        inputs: Tensors,
        stats_of: Stats,
        endpoint: Endpoint,
    ) -> None:
        """`inputs`: of one of the requests, which have the same shapes in all.

        Raises `ServiceError` where the backend that they ask for may not answer.
        """
        request = known.request
        backend = served.backend_for(request.backend, request.rows)
        self.known = known
        self.rows = request.rows
        self.timeout_us = request.timeout_us
        self.dtypes = served.dtypes
        self.key = Key(served.name, served.version, backend)
        self.runner: LoadedRunner | None = None
        """As of the latest request."""
        self._direct: Direct | None = None
        """Into the memory of that runner."""
        self.stats = stats_of(served, backend)
        self.endpoint = endpoint
        self.template = endpoint.template(request, served, backend)
        self.effort = effort(inputs, self.rows) if served.takes_sequences else self.rows

    def answered_by(self, runner: LoadedRunner) -> None:
        """From now on."""
        self.runner = runner
        self._direct = None
        runner.stats = self.stats

    def merged(self, batch: Sequence[Exchange]) -> Tensors:
        return self.known.joined(list(map(VALUES, batch)), self.dtypes)

    def run_one(self, runner: Runner, one: Exchange) -> batching.Outputs:
        direct = self._direct or self._bind(one.runner)
        if direct is not None:
            try:
                return direct.run(one.values)
            except FloatingPointError:
                raise
            except Exception:  # the ordinary way answers, or says why not
                self._direct = None
        return runner.run(self.merged((one,)))

    def _bind(self, runner: LoadedRunner) -> Direct | None:
        if len(self.known.sources) != 1:
            return None
        (source,) = self.known.sources
        bound = runner.bound(source.shape)
        self._direct = None if bound is None else Direct(bound, source.dtype)
        return self._direct

    def answer(self, batch: Sequence[Exchange], ran: Ran) -> bool:
        try:
            alike = self.template.encode_all(ran.outputs, len(batch))
        except Exception:  # whichever of them it is of, it will be raised for that one again
            return False
        if alike is None:
            return False
        opening, values, closing, head_length = alike
        sent: list[int] = []
        unsent: list[int] = []
        for one, own in zip(batch, values, strict=True):
            try:
                ended = one.client.succeed(one.own_id, opening, own, closing, head_length)
            except Exception:  # of one client's connection; the others are owed their answers
                log.exception("answer_not_delivered")
                ended = 0
            if ended:
                sent.append(ended - one.started)
            else:
                unsent.append(clock_ns() - one.started)
        self._count(batch, ran, sent, unsent)
        return True

    def _count(
        self, batch: Sequence[Exchange], ran: Ran, sent: list[int], unsent: list[int]
    ) -> None:
        """How long each has taken, by whether its client was still there."""
        if sent:
            self.endpoint.successes.add_all(sent)
        asked = [one.asked_ns for one in batch]
        self.stats.succeeded_together(
            sent + unsent,
            ran.rows,
            asked,
            ran.started,
            input_ns=sum(asked) - sum([one.started for one in batch]),
            infer_ns=len(batch) * ran.spent_ns,
        )


class Exchange(Work):
    """A request under way."""

    __slots__ = ("_given", "client", "own_id", "route", "runner", "values")

    def __init__(
        self,
        client: Client,
        own_id: bytes,
        started: int,
        route: Route,
        runner: LoadedRunner,
        values: Buffer,
        given: Tensors | None,
    ) -> None:
        """`values` are the inputs as `Plans.find` has found them, unless they are `given`."""
        # As `Work` does it, without one more call: this is what most requests go through.
        self.client = client
        self.own_id = own_id
        self.started = started
        self.route = route
        self.group = route if given is None else None
        self.runner = runner
        self.values = values
        self._given = given
        self.rows = route.rows
        self.effort = route.effort
        self.dtypes = route.dtypes
        self.deadline = self.pieces = self.timer = None
        self.begun = False

    @property
    def inputs(self) -> Tensors:
        return self.route.known.arrays(self.values) if self._given is None else self._given

    def submit(self, timeout_s: float | None, *, look: bool = False, lone: bool = False) -> None:
        """`timeout_s`: the client's patience by its headers; `look`: as for `LoadedRunner.submit`;
        `lone`: whether it is not to wait for others that may come. Raises `Busy`."""
        if lone and self.runner.answer_at_once(self):
            return
        if self.route.timeout_us is not None:
            timeout_s = earliest(self.route.timeout_us, timeout_s)
        if timeout_s is not None:
            self.deadline = get_running_loop().time() + timeout_s
        try:
            self.runner.submit(self, look=look)
        except ServiceError:
            self.route.stats.failed(self)
            raise

    def answered(self, answer: batching.Answer) -> None:
        """By itself, and not as one of many that are alike."""
        route = self.route
        self.input_ns = self.asked_ns - self.started
        if isinstance(answer, Exception):
            route.stats.failed(self)
            route.endpoint.refuse(self.client, answer, self.own_id, self.started)
            return
        try:
            body, head_length = route.template.encode(answer)
        except Exception as error:  # NaN that JSON cannot hold, say
            route.endpoint.refuse(self.client, error, self.own_id, self.started)
            return
        try:
            ended = self.client.succeed(self.own_id, body, b"", b"", head_length)
        finally:  # counted while the client reads
            route.stats.succeeded(self, self.rows)
        if ended:
            route.endpoint.successes.add((ended - self.started) / 1e9)

    def drop(self) -> None:
        """Nobody waits for the answer any more."""
        self.runner.drop(self)
