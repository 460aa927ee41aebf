"""Spans by OpenTelemetry's SDK, sent by OTLP over HTTP. Imported only where an endpoint is set.

The SDK reads its own variables for what has no setting here: `OTEL_EXPORTER_OTLP_HEADERS`,
`…_CERTIFICATE`, `…_COMPRESSION` and `…_TIMEOUT`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_BSP_*`.
"""

from __future__ import annotations

import logging as std
import os
import socket
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services import logging, tracing
from services.tracing import ACTIVE, Attributes, Kind

KINDS: dict[Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
CLOSE_S = 3.0
"""How long the last spans may take to be sent when the process ends."""

log: Any = structlog.get_logger(__name__)


class OtlpSpan:
    """A span of the SDK as `tracing.Span`."""

    __slots__ = ("inner",)

    def __init__(self, inner: Span) -> None:
        self.inner = inner

    @property
    def recording(self) -> bool:
        return self.inner.is_recording()

    @property
    def traceparent(self) -> str | None:
        at = self.inner.get_span_context()
        trace_id, span_id = _ids(at)
        return f"00-{trace_id}-{span_id}-{at.trace_flags:02x}"

    def set(self, attributes: Attributes) -> None:
        self.inner.set_attributes(attributes)

    def rename(self, name: str) -> None:
        self.inner.update_name(name)

    def fail(self, reason: str) -> None:
        self.inner.set_attribute("error.type", reason)
        self.inner.set_status(StatusCode.ERROR)

    def end(self, at_ns: int | None = None) -> None:
        self.inner.end(at_ns)


class OtlpTracing:
    on = True

    def __init__(self, endpoint: str, *, sample: float, service: str) -> None:
        """`endpoint`: the receiver's base URL. `sample`: the share of traces that are kept, of
        those that begin here; of others their beginning says whether they are."""
        release = version("torchkiln")
        attributes = {
            "service.name": service,
            "service.version": release,
            "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
        }
        # What it says of each try would drown the log while the receiver is away.
        std.getLogger(trace_exporter.__name__).setLevel(std.CRITICAL)
        exporter = trace_exporter.OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(sample)),
            resource=Resource.create(attributes),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(TellingExporter(exporter)))
        self._tracer = self._provider.get_tracer("torchkiln", release)
        self._propagator = TraceContextTextMapPropagator()

    def begin(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        parent: tracing.Span | str | None = None,
        at_ns: int | None = None,
        attributes: Attributes | None = None,
    ) -> OtlpSpan:
        return OtlpSpan(
            self._tracer.start_span(
                name,
                context=self._context(parent),
                kind=KINDS[kind],
                attributes=attributes,
                start_time=at_ns,
            )
        )

    @contextmanager
    def span(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        parent: tracing.Span | str | None = None,
        attributes: Attributes | None = None,
    ) -> Generator[OtlpSpan]:
        span = self.begin(name, kind=kind, parent=parent, attributes=attributes)
        trace_id, span_id = _ids(span.inner.get_span_context())
        token = ACTIVE.set(span)
        try:
            with logging.bound(trace_id=trace_id, span_id=span_id):
                yield span
        except Exception as error:
            span.fail(type(error).__name__)
            raise
        finally:
            ACTIVE.reset(token)
            span.end()

    def close(self) -> None:
        # The SDK's own shutdown waits for half a minute where nobody answers.
        closing = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        closing.start()
        closing.join(CLOSE_S)

    def _context(self, parent: tracing.Span | str | None) -> Context:
        if isinstance(parent, str):
            return self._propagator.extract({"traceparent": parent}, Context())
        parent = parent or ACTIVE.get()
        if isinstance(parent, OtlpSpan):
            return set_span_in_context(parent.inner, Context())
        return Context()


class TellingExporter(SpanExporter):
    """Says once that spans are lost, and once that they are not any more."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            if self._lost:
                log.info("traces_sent_again", lost=self._lost)
            self._lost = 0
        else:
            if not self._lost:
                log.warning("traces_not_sent", spans=len(spans))
            self._lost += len(spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _ids(at: SpanContext) -> tuple[str, str]:
    return format_trace_id(at.trace_id), format_span_id(at.span_id)
