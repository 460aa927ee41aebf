"""`ModelStreamInfer`: requests are answered as they come, each for itself, in their order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import structlog

from api.grpc.errors import refusal_of
from api.grpc.guard import Call, route_of
from api.grpc.infer import answer
from api.grpc.messages import Message, parsed, pb
from services.errors import Unavailable
from services.serving.stats import clock_ns

MAX_UNDER_WAY = 32
"""Requests of one stream; more are not read before one of these is answered. They can share a
batch, as requests of several clients can."""

FINAL = "triton_final_response"
"""On each response: every request has one. Clients of models with several wait for it."""

log = structlog.get_logger(__name__)

Answers = asyncio.Queue["asyncio.Task[Message] | None"]


async def model_stream_infer(call: Call, requests: AsyncIterator[bytes]) -> None:
    """Ends when the client has sent its last request and has all answers; when the client goes
    away this is cancelled, and so is what has not been run.

    Raises `Unavailable` when the process is to end: nothing more is read then, and the client may
    go on elsewhere.
    """
    waiting: Answers = asyncio.Queue(MAX_UNDER_WAY)
    async with asyncio.TaskGroup() as group:
        group.create_task(_send(call, waiting))
        reading = group.create_task(_read(call, requests, waiting, group))
        closing = group.create_task(call.state.closing.wait())
        await asyncio.wait({reading, closing}, return_when=asyncio.FIRST_COMPLETED)
        reading.cancel()
        closing.cancel()
        await waiting.put(None)
    if reading.cancelled():
        raise Unavailable("the service is stopping")


async def _read(
    call: Call, requests: AsyncIterator[bytes], waiting: Answers, group: asyncio.TaskGroup
) -> None:
    async for request in requests:
        await waiting.put(group.create_task(_answer(call, request)))


async def _send(call: Call, waiting: Answers) -> None:
    while (task := await waiting.get()) is not None:
        await call.context.write(await task)


async def _answer(call: Call, data: bytes) -> Message:
    """An error is an answer like another: the stream goes on."""
    started = clock_ns()
    request = pb.ModelInferRequest()
    try:
        await call.authorize()  # a stream may outlive its key
        request = parsed(pb.ModelInferRequest, data)
        response = await answer(call.state.engine, request, call.time_left_s)
    except Exception as error:
        refusal = refusal_of(error)
        if refusal.status == 500:
            log.error("request_failed", route=route_of(call.name), exc_info=error)
        call.count(started, refusal.status)
        response = pb.ModelInferResponse(model_name=request.model_name[:64], id=request.id)
        return _final(pb.ModelStreamInferResponse(error_message=refusal.details), response)
    call.count(started, 200)
    return _final(pb.ModelStreamInferResponse(), response)


def _final(message: Message, response: Message) -> Message:
    response.parameters[FINAL].bool_param = True
    message.infer_response.CopyFrom(response)
    return message
