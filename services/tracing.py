"""Traces: what a request causes, in this process and in others, as spans of OpenTelemetry.

Off unless an endpoint is set, and then nothing of OpenTelemetry is imported: what does the work is
`services/otlp.py`, what stands here for it does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, Protocol

from models.lazy import lazy
from services.settings import Settings

if TYPE_CHECKING:
    from services import otlp
else:
    otlp = lazy("services.otlp")

Kind = Literal["internal", "server", "producer", "consumer"]
Attributes = Mapping[str, str | bool | int | float]

NEW_TRACE = ""
"""As a parent: none, whatever is under way here."""


class Span(Protocol):
    @property
    def recording(self) -> bool:
        """Whether anybody will see it: not every trace is sampled."""
        ...

    @property
    def traceparent(self) -> str | None:
        """The header of W3C's Trace Context for what this causes elsewhere; None where tracing is
        off."""
        ...

    def set(self, attributes: Attributes) -> None: ...

    def rename(self, name: str) -> None: ...

    def fail(self, reason: str) -> None:
        """`reason`: a word or two out of a few, as `error.type` has them."""
        ...

    def end(self, at_ns: int | None = None) -> None:
        """Once. Times are nanoseconds since 1970; None is now."""
        ...


class Tracing(Protocol):
    on: bool

    def begin(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        parent: Span | str | None = None,
        at_ns: int | None = None,
        attributes: Attributes | None = None,
    ) -> Span:
        """A span that its caller ends.

        `parent`: another one, or the `traceparent` of one elsewhere, where a malformed one begins a
        trace like `NEW_TRACE`; None: the one that is active, if any.
        """
        ...

    def span(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        parent: Span | str | None = None,
        attributes: Attributes | None = None,
    ) -> AbstractContextManager[Span]:
        """The same for the length of a block, in which it is active and on every line of the log.
        An exception makes it a failed one."""
        ...

    def close(self) -> None:
        """Send what is left, within a few seconds."""
        ...


ACTIVE: ContextVar[Span | None] = ContextVar("span", default=None)
"""What spans that begin in this thread or task belong to."""


def active() -> Span | None:
    return ACTIVE.get()


def traceparent() -> str | None:
    """Of the active span."""
    span = ACTIVE.get()
    return None if span is None else span.traceparent


class NoSpan:
    recording = False
    traceparent = None

    def set(self, attributes: Attributes) -> None: ...

    def rename(self, name: str) -> None: ...

    def fail(self, reason: str) -> None: ...

    def end(self, at_ns: int | None = None) -> None: ...


NO_SPAN = NoSpan()


class NoTracing:
    on = False

    def begin(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        parent: Span | str | None = None,
        at_ns: int | None = None,
        attributes: Attributes | None = None,
    ) -> Span:
        return NO_SPAN

    def span(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        parent: Span | str | None = None,
        attributes: Attributes | None = None,
    ) -> AbstractContextManager[Span]:
        return nullcontext(NO_SPAN)

    def close(self) -> None: ...


OFF = NoTracing()


def tracing_of(settings: Settings, service: str) -> Tracing:
    """`service`: what the process is called in traces, `torchkiln-api` for one."""
    if not settings.otlp_endpoint:
        return OFF
    return otlp.OtlpTracing(settings.otlp_endpoint, sample=settings.trace_sample, service=service)
