"""The server and its models: health, metadata, configuration, statistics. As HTTP says it."""

from __future__ import annotations

from api.grpc.guard import Call
from api.grpc.messages import Message, filled, pb
from api.routes import v2_models, v2_server
from services.errors import NotFound


async def server_live(_call: Call, _request: Message) -> Message:
    return pb.ServerLiveResponse(live=True)


async def server_ready(call: Call, _request: Message) -> Message:
    return pb.ServerReadyResponse(ready=call.state.engine.not_ready() is None)


async def server_metadata(_call: Call, _request: Message) -> Message:
    return filled(pb.ServerMetadataResponse(), await v2_server.server_metadata())


async def model_ready(call: Call, request: Message) -> Message:
    """False for a model that does not exist, too: Triton's clients ask whether, and wait."""
    engine = call.state.engine
    try:
        served = await engine.watch.locate(request.name, request.version or None)
    except NotFound:
        return pb.ModelReadyResponse(ready=False)
    return pb.ModelReadyResponse(ready=engine.is_ready(served))


async def model_metadata(call: Call, request: Message) -> Message:
    version = request.version or None
    said = await v2_models.metadata(request.name, call.state.engine, version)
    return filled(pb.ModelMetadataResponse(), said)


async def model_config(call: Call, request: Message) -> Message:
    version = request.version or None
    answer = pb.ModelConfigResponse()
    filled(answer.config, await v2_models.config(request.name, call.state.engine, version))
    return answer


async def model_statistics(call: Call, request: Message) -> Message:
    """Of all models where none is named."""
    engine, version = call.state.engine, request.version or None
    if request.name:
        said = await v2_models.stats(request.name, engine, version)
    else:
        said = await v2_models.all_stats(engine)
    return filled(pb.ModelStatisticsResponse(), said)
