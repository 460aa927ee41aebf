"""An attempt in its job's trace: the wait before it, itself, and the parts of the run.

A trainer knows no network. It says when a part of its run began and ended, and the supervisor, on
whose host's clock both are, makes spans of that.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Self

from services import tracing
from services.claims import Claim
from services.container import Container
from services.errors import ServiceError
from services.job_state import JobStatus, Outcome
from services.queue import queue_for
from services.tracing import NEW_TRACE, Span, Tracing
from workers.messages import Message

WELL = frozenset({Outcome.SUCCEEDED, Outcome.CANCELLED, Outcome.PAUSED, Outcome.RELEASED})
"""Ends that are no failures."""
CUT_OFF = "trainer_ended"
"""Why a part has failed that its trainer never ended."""


@contextmanager
def attempt_span(container: Container, claim: Claim) -> Generator[None]:
    """In the trace of the request that submitted the job, or in a new one if there is none."""
    if not container.tracing.on:
        yield
        return
    job = claim.job
    attributes = {
        "messaging.system": "redis",
        "messaging.operation.type": "process",
        "messaging.destination.name": queue_for(job.device),
        "torchkiln.job.id": job.id,
        "torchkiln.pipeline": job.pipeline,
        "torchkiln.attempt": claim.number,
    }
    with container.tracing.span(
        "attempt", kind="consumer", parent=job.traceparent or NEW_TRACE, attributes=attributes
    ) as span:
        if span.recording and job.traceparent is not None:
            _tell_wait(container, claim, job.traceparent)
        yield


def _tell_wait(container: Container, claim: Claim, parent: str) -> None:
    """From when the job was queued to when it was claimed, both by the database's clock."""
    try:
        moves = container.jobs.get(claim.job.id).transitions
    except ServiceError:  # a span is not worth the attempt
        return
    queued = [at for status, at in moves if status == JobStatus.QUEUED and at <= claim.started_at]
    if queued:
        attributes = {"torchkiln.job.id": claim.job.id, "torchkiln.attempt": claim.number}
        span = container.tracing.begin(
            "queued", parent=parent, at_ns=_ns(queued[-1]), attributes=attributes
        )
        span.end(_ns(claim.started_at))


def _ns(at: datetime) -> int:
    return int(at.timestamp() * 1e6) * 1000


def told(outcome: Outcome) -> None:
    """How the attempt whose span is active has ended."""
    if (span := tracing.active()) is not None:
        span.set({"torchkiln.outcome": outcome.value})
        if outcome not in WELL:
            span.fail(outcome.value)


def lost() -> None:
    """The same, of one that somebody else has taken over."""
    if (span := tracing.active()) is not None:
        span.fail("lease_lost")


def to_follow() -> str | None:
    """The `traceparent` that a trainer is given: None if nobody wants to hear of its parts."""
    span = tracing.active()
    return span.traceparent if span is not None and span.recording else None


class TrainerSpans:
    """The parts of a run. Those that were begun and not ended are at its end."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing
        self._open: dict[int, Span] = {}

    def take(self, message: Message) -> None:
        """Of the types `span_began` and `span_ended`."""
        if message["type"] == "span_began":
            self._open[message["id"]] = self._tracing.begin(
                message["name"],
                parent=self._open.get(message["parent"]),
                at_ns=message["at_ns"],
                attributes={f"torchkiln.{key}": of for key, of in message["attributes"].items()},
            )
        elif (span := self._open.pop(message["id"], None)) is not None:
            if message["error"] is not None:
                span.fail(message["error"])
            span.end(message["at_ns"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for span in self._open.values():
            span.fail(CUT_OFF)
            span.end()
        self._open.clear()
