"""`ModelInfer`: the hot path. One prediction from its message to its message."""

from __future__ import annotations

import asyncio

from api.grpc import requests, responses
from api.grpc.guard import Call
from api.grpc.messages import Message
from services.serving.batching import Outputs
from services.serving.engine import Engine
from services.serving.prediction import earliest
from services.serving.stats import Timing
from services.serving.v2_request import InferRequest
from services.serving.versions import ServedVersion


async def model_infer(call: Call, message: Message) -> Message:
    return await answer(call.state.engine, message, call.time_left_s)


async def answer(engine: Engine, message: Message, time_left_s: float | None) -> Message:
    """Raises `ServiceError`s that name what is wrong with the request.

    A call whose client has gone is cancelled by gRPC where it waits, and its rows are not run.
    """
    timing = Timing()
    served = await engine.resolve(message.model_name, message.model_version or None)
    request = requests.read(message, served)
    if request.pictures is not None:
        request.inputs = await asyncio.to_thread(request.pictures.decode)
    backend = served.backend_for(request.backend, request.rows)
    timing.parsed()
    outputs = await _run(engine, served, backend, request, timing, time_left_s)
    response = responses.write(request, served, backend, outputs)
    engine.stats_of(served, backend).succeeded(timing, request.rows)
    return response


async def _run(
    engine: Engine,
    served: ServedVersion,
    backend: str,
    request: InferRequest,
    timing: Timing,
    time_left_s: float | None,
) -> Outputs:
    try:
        return await engine.run(
            served,
            backend,
            request.inputs,
            request.rows,
            timing,
            timeout_s=earliest(request.timeout_us, time_left_s),
        )
    except Exception:
        engine.stats_of(served, backend).failed(timing)
        raise
