"""The gRPC server of an API process, in its event loop."""

from __future__ import annotations

import socket
from typing import Any

import grpc.aio
import structlog

from api.grpc.messages import SERVICE
from api.grpc.methods import handlers
from api.state import State

log = structlog.get_logger(__name__)


class GrpcServer:
    """Shares its port with the other API processes, as HTTP's does."""

    def __init__(self, state: State) -> None:
        self._state = state
        server: Any = grpc.aio.server(
            options=(
                ("grpc.so_reuseport", 1),
                ("grpc.max_receive_message_length", state.max_body_bytes),
                ("grpc.max_send_message_length", -1),
            )
        )
        known = handlers(state)
        name: str = SERVICE.full_name
        server.add_registered_method_handlers(name, known)
        self._server = server

    async def start(self, host: str, port: int) -> None:
        bound = self._server.add_insecure_port(_address(host, port))
        await self._server.start()
        log.info("grpc_listening", host=host, port=bound)

    async def stop(self, grace_s: float) -> None:
        """Take no more calls, and let those under way end; after `grace_s` they are cut off."""
        await self._server.stop(grace_s)


def _address(host: str, port: int) -> str:
    """The one that HTTP listens on, too; gRPC would take every address of a name."""
    found = socket.getaddrinfo(
        host.strip("[]") or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    number = str(found[0][4][0])
    return f"[{number}]:{port}" if ":" in number else f"{number}:{port}"
