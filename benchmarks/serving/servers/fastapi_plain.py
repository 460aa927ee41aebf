"""What one writes first: FastAPI, a pydantic body, a `def` endpoint."""

from __future__ import annotations

from benchmarks.serving.servers.base import Server, python_launch
from benchmarks.serving.servers.wires import plain_json

SERVER = Server(
    name="fastapi",
    title="plain FastAPI",
    about="pydantic body, `def` endpoint, uvicorn with uvloop and httptools, access log off",
    launch=python_launch("fastapi_plain.py"),
    wires={"json": plain_json("/predict")},
)
