"""The yardstick: what uvicorn alone can do."""

from __future__ import annotations

from benchmarks.serving.servers.base import Request, Row, Server, Site, Wire, python_launch


def _request(_site: Site, _row: Row) -> Request:
    return Request("/", method="GET")


SERVER = Server(
    name="hello",
    title="uvicorn hello",
    about="raw ASGI, uvloop and httptools: no model, no body to read",
    launch=python_launch("hello.py"),
    wires={"hello": Wire(_request, None)},
)
