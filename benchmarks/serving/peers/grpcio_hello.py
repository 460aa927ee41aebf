# pyright: basic, reportMissingImports=false
"""The smallest gRPC service there is: it reads no message, and writes five bytes."""

import asyncio
from typing import Any

import grpc
import grpc.aio
import uvloop
from settings import SETTINGS

SERVICE, METHOD = "inference.GRPCInferenceService", "ModelInfer"


async def answer(_request, _context) -> bytes:
    return b"hello"


async def serve() -> None:
    server: Any = grpc.aio.server(options=(("grpc.so_reuseport", 1),))
    handler = grpc.unary_unary_rpc_method_handler(answer)
    server.add_registered_method_handlers(SERVICE, {METHOD: handler})
    port = SETTINGS["more_ports"].split(",")[0]
    server.add_insecure_port(f"{SETTINGS['host']}:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
