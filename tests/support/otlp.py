"""What a receiver of traces was sent, decoded with the protocol's own messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.support.receivers import Receiver

PATH = "/v1/traces"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "b7ad6b7169203331"
SAMPLED = f"00-{TRACE_ID}-{SPAN_ID}-01"
"""The example of W3C's Trace Context."""
UNSAMPLED = f"00-{TRACE_ID}-{SPAN_ID}-00"


def endpoint(receiver: Receiver) -> dict[str, str]:
    """Variables of a process that sends its spans there, soon."""
    return {"TORCHKILN_OTLP_ENDPOINT": receiver.url(), "OTEL_BSP_SCHEDULE_DELAY": "50"}


@dataclass(frozen=True)
class Sent:
    service: str
    name: str
    kind: str
    trace_id: str
    id: str
    parent: str
    """Empty for the first one of a trace."""
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    failed: bool


def spans(receiver: Receiver) -> list[Sent]:
    """All so far, in the order of their beginnings."""
    sent: list[Sent] = []
    for request in receiver.at(PATH):
        for of_process in ExportTraceServiceRequest.FromString(request.body).resource_spans:
            service = _plain(of_process.resource.attributes)["service.name"]
            sent += [_sent(service, one) for scope in of_process.scope_spans for one in scope.spans]
    return sorted(sent, key=lambda span: span.start_ns)


def _sent(service: str, span: Any) -> Sent:
    return Sent(
        service,
        span.name,
        span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _plain(span.attributes),
        span.status.code == Status.STATUS_CODE_ERROR,
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
