"""What grpcio alone can do: the limit of every gRPC server in Python that is built on it."""

from __future__ import annotations

from benchmarks.serving.servers.base import GRPC, Launch, Server, Site, Wire, script
from benchmarks.serving.servers.grpc_wire import grpc_wire


def _launch(site: Site) -> Launch:
    """As many processes as workers, all of them on one port."""
    return Launch([[str(site.python), script("grpcio_hello.py")]] * site.workers, site.settings)


SERVER = Server(
    name="grpcio-hello",
    title="grpcio hello",
    about="grpc.aio on uvloop: no model, no message parsed, five bytes as an answer",
    launch=_launch,
    wires={"grpc": Wire(grpc_wire().request, None, protocol=GRPC)},
)
