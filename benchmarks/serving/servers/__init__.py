"""The servers, in the order of the report. A new one is a file and a line here."""

from benchmarks.serving.servers import (
    bentoml,
    fastapi_plain,
    grpcio_hello,
    hello,
    kserve,
    litserve,
    mlserver,
    pytriton,
    ray_serve,
    torchkiln,
    torchserve,
)
from benchmarks.serving.servers.base import Server

SERVERS: dict[str, Server] = {
    server.name: server
    for server in (
        hello.SERVER,
        grpcio_hello.SERVER,
        torchkiln.SERVER,
        fastapi_plain.SERVER,
        litserve.SERVER,
        bentoml.SERVER,
        mlserver.INLINE,
        mlserver.PARALLEL,
        kserve.SERVER,
        ray_serve.SERVER,
        torchserve.SINGLE,
        torchserve.BATCHING,
        pytriton.SERVER,
    )
}
"""By the name that `--only` takes."""
YARDSTICK = hello.SERVER.name
OWN = torchkiln.SERVER.name
