"""One prediction from its bytes to its bytes, on either surface. Transport-free."""

from __future__ import annotations

import asyncio

from models.backends.base import Tensors
from services.serving import answers, csv_rows, images, rows, v2_request, v2_response
from services.serving.batching import Outputs
from services.serving.engine import Engine
from services.serving.errors import Unsupported
from services.serving.gone import Gone
from services.serving.stats import Timing
from services.serving.v2_plans import Known
from services.serving.versions import ServedVersion
from services.tracing import active


async def infer(
    engine: Engine,
    name: str,
    ref: str | None,
    body: bytes,
    *,
    header_length: bytes | None = None,
    timeout_s: float | None = None,
    gone: Gone | None = None,
) -> tuple[bytes, int | None]:
    """A v2 request → the response's body, and the length of its JSON if binary data follow.

    Raises `ServiceError`s that name what is wrong with the request, and `Abandoned`.
    """
    timing = Timing()
    served = await engine.resolve(name, ref)
    known, inputs = read(served, body, header_length)
    request = known.request
    if request.pictures is not None:
        inputs = await asyncio.to_thread(request.pictures.decode)
    backend = served.backend_for(request.backend, request.rows)
    patience = earliest(request.timeout_us, timeout_s)
    outputs = await _run(engine, served, backend, inputs, request.rows, timing, gone, patience)
    answer = v2_response.encode(request, served, backend, outputs)
    engine.stats_of(served, backend).succeeded(timing, request.rows)
    return answer


def read(served: ServedVersion, body: bytes, header_length: bytes | None) -> tuple[Known, Tensors]:
    """A v2 request and its inputs; a short way for one that is like one before."""
    size = head_size(header_length)
    return served.plans.match(body, size) or read_whole(served, body, header_length, size)


def read_whole(
    served: ServedVersion, body: bytes, header_length: bytes | None, size: int | None
) -> tuple[Known, Tensors]:
    """The same for one that is like none before; `size` is `header_length` as a number."""
    request = v2_request.parse(body, header_length, served)
    return served.plans.learn(request, body, size), request.inputs


def head_size(header_length: bytes | None) -> int | None:
    """None for none, -1 for what is no number."""
    if header_length is None:
        return None
    return int(header_length) if header_length.isdigit() and len(header_length) < 16 else -1


def earliest(timeout_us: int | None, timeout_s: float | None) -> float | None:
    """The shorter of a request's own timeout and its header's, in seconds; None for neither."""
    if timeout_us is None:
        return timeout_s
    return timeout_us / 1e6 if timeout_s is None else min(timeout_us / 1e6, timeout_s)


async def predict(
    engine: Engine,
    name: str,
    ref: str | None,
    body: bytes,
    *,
    media_type: str,
    backend: str | None = None,
    timeout_s: float | None = None,
    gone: Gone | None = None,
) -> bytes:
    """A `/v1` prediction → its JSON. Raises `ServiceError`s that name what is wrong."""
    timing = Timing()
    served = await engine.resolve(name, ref)
    inputs, count = await decode(body, media_type, served)
    chosen = served.backend_for(backend, count)
    outputs = await _run(engine, served, chosen, inputs, count, timing, gone, timeout_s)
    answer = answers.encode(served, chosen, outputs)
    engine.stats_of(served, chosen).succeeded(timing, count)
    return answer


async def decode(body: bytes, media_type: str, served: ServedVersion) -> tuple[Tensors, int]:
    """The arrays by input name, and how many rows, of what a user sends. Raises `ServiceError`s.

    Rows of JSON are read on the spot; what takes its time is read in a thread.
    """
    if media_type in {"", "application/json"}:
        return rows.parse(body, served)
    if media_type in images.MEDIA_TYPES:
        return await asyncio.to_thread(images.parse, body, media_type, served), 1
    if media_type == "text/csv":
        return await asyncio.to_thread(csv_rows.parse, body, served)
    known = ", ".join(["application/json", *images.MEDIA_TYPES, "text/csv"])
    raise Unsupported(
        f"expected Content-Type {known}, got {media_type[:64]!r}", code="unsupported_media_type"
    )


async def _run(
    engine: Engine,
    served: ServedVersion,
    backend: str,
    inputs: Tensors,
    count: int,
    timing: Timing,
    gone: Gone | None,
    timeout_s: float | None,
) -> Outputs:
    timing.parsed()
    if (span := active()) is not None:
        span.set(
            {
                "torchkiln.model": served.name,
                "torchkiln.version": served.version,
                "torchkiln.backend": backend,
                "torchkiln.rows": count,
            }
        )
    try:
        return await engine.run(served, backend, inputs, count, timing, gone, timeout_s=timeout_s)
    except Exception:
        engine.stats_of(served, backend).failed(timing)
        raise
