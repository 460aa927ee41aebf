"""From what can go wrong to what gRPC says about it: the words of HTTP, with gRPC's own code."""

from __future__ import annotations

from typing import NamedTuple

import grpc

from api.errors import problem_of, v2_text
from services.errors import Busy

CODES: dict[int, grpc.StatusCode] = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    415: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
"""By the status that `api/errors.py` gives the error."""

OF_CODE = {"deadline_exceeded": grpc.StatusCode.DEADLINE_EXCEEDED}
"""Codes of errors that gRPC has a better word for than HTTP."""

MAX_BYTES = 2000
"""Of a message: it travels as a header, percent-encoded, and clients take 8 KB of those."""

Metadata = tuple[tuple[str, str], ...]


class Refusal(NamedTuple):
    status: int
    """As HTTP counts it."""
    code: grpc.StatusCode
    details: str
    metadata: Metadata


def refusal_of(error: Exception) -> Refusal:
    problem = problem_of(error)
    status = problem["status"]
    code = OF_CODE.get(problem["code"], CODES.get(status, grpc.StatusCode.INTERNAL))
    details = v2_text(problem).encode("utf-8", "replace")[:MAX_BYTES].decode("utf-8", "ignore")
    return Refusal(status, code, details, _pushback(error))


def _pushback(error: Exception) -> Metadata:
    """What `Retry-After` is on HTTP, as gRPC's retry policies read it."""
    if not isinstance(error, Busy):
        return ()
    return (("grpc-retry-pushback-ms", str(max(1, round(error.retry_after_s * 1e3)))),)
