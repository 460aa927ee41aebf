"""gRPC beside HTTP, for as long as the application runs, where the settings name a port for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from api.state import State

if TYPE_CHECKING:
    from api.grpc.server import GrpcServer

GRACE_S = 15
"""How long calls under way may take to end once the process is asked to stop, as over HTTP."""


@asynccontextmanager
async def serving_grpc(state: State) -> AsyncGenerator[None]:
    settings = state.container.settings
    if not (settings.grpc_port and settings.serves):
        yield
        return
    # Here, because a process without the port should not pay for the libraries.
    from api.grpc.server import GrpcServer

    server = GrpcServer(state)
    await server.start(settings.host, settings.grpc_port)
    ending = asyncio.create_task(_end(server, state.closing), name="end of gRPC")
    try:
        yield
    finally:
        state.closing.set()
        await ending


async def _end(server: GrpcServer, closing: asyncio.Event) -> None:
    """At the same time as the requests of HTTP end, not after them."""
    await closing.wait()
    await server.stop(GRACE_S)
