"""Triton's repository extension: what there is, and bringing it into memory and out."""

from __future__ import annotations

from api.grpc.guard import Call
from api.grpc.messages import Message, pb
from api.routes import v2_repository


async def index(call: Call, request: Message) -> Message:
    entries = v2_repository.entries(call.state.engine, ready_only=request.ready)
    models = [entry.model_dump() for entry in entries]
    return pb.RepositoryIndexResponse(models=models)


async def load(call: Call, request: Message) -> Message:
    await v2_repository.bring_in(call.state.engine, request.model_name, request.parameters)
    return pb.RepositoryModelLoadResponse()


async def unload(call: Call, request: Message) -> Message:
    await call.state.engine.unload(request.model_name)
    return pb.RepositoryModelUnloadResponse()
