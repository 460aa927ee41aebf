"""The table of the service's methods: who may call each, and what answers it."""

from __future__ import annotations

from typing import Any, NamedTuple

import grpc
from google.protobuf import message_factory

from api.grpc import about, fast, infer, repository, stream
from api.grpc.guard import Answer, Call, streaming, unary
from api.grpc.messages import SERVICE, Message
from api.state import State
from services.keys import Scope
from services.serving.errors import Unsupported

Handler = Any
"""A `grpc.RpcMethodHandler`, which its own library leaves without types."""


class Method(NamedTuple):
    scope: Scope | None
    """None: anybody may ask, as on HTTP."""
    answer: Answer


UNARY: dict[str, Method] = {
    "ServerLive": Method(None, about.server_live),
    "ServerReady": Method(None, about.server_ready),
    "ServerMetadata": Method(Scope.PREDICT, about.server_metadata),
    "ModelReady": Method(Scope.PREDICT, about.model_ready),
    "ModelMetadata": Method(Scope.PREDICT, about.model_metadata),
    "ModelConfig": Method(Scope.PREDICT, about.model_config),
    "ModelStatistics": Method(Scope.PREDICT, about.model_statistics),
    "ModelInfer": Method(Scope.PREDICT, infer.model_infer),
    "RepositoryIndex": Method(Scope.PREDICT, repository.index),
    "RepositoryModelLoad": Method(Scope.ADMIN, repository.load),
    "RepositoryModelUnload": Method(Scope.ADMIN, repository.unload),
}
STREAMING = {"ModelStreamInfer": stream.model_stream_infer}

UNSUPPORTED = {
    "SystemSharedMemory": "shared memory is not supported: send tensors in the request",
    "CudaSharedMemory": "shared memory is not supported: send tensors in the request",
    "TraceSetting": "trace settings are not supported",
    "LogSettings": "logging settings are not supported: they are the service's environment",
}
"""Triton's extensions that make no sense here, by how their methods' names begin."""


def handlers(state: State) -> dict[str, Handler]:
    """One for each method that the protocol names."""
    return {method.name: _handler(state, method) for method in SERVICE.methods}


def _handler(state: State, method: Any) -> Handler:
    name: str = method.name
    # Requests come as they are: gRPC would call bytes that are no message an error of the server.
    asked: Any = message_factory.GetMessageClass(method.input_type)
    write: Any = message_factory.GetMessageClass(method.output_type).SerializeToString
    if name in STREAMING:
        serve = streaming(state, name, Scope.PREDICT, STREAMING[name])
        return grpc.stream_stream_rpc_method_handler(serve, None, write)
    scope, answer = UNARY.get(name) or Method(Scope.ADMIN, _unsupported)
    call = unary(state, name, scope, asked, answer)
    if name == fast.NAME and state.container.settings.fast_path:
        return grpc.unary_unary_rpc_method_handler(fast.model_infer(state, call))
    return grpc.unary_unary_rpc_method_handler(call, None, write)


async def _unsupported(call: Call, _request: Message) -> Message:
    known = (why for begin, why in UNSUPPORTED.items() if call.name.startswith(begin))
    raise Unsupported(next(known, f"{call.name} is not supported"))
