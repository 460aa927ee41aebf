"""LitServe: an HTTP process, a queue, and a worker process with the model."""

from __future__ import annotations

from benchmarks.serving.servers.base import ONNX, Server, python_launch
from benchmarks.serving.servers.wires import plain_json

SERVER = Server(
    name="litserve",
    title="LitServe",
    about="LitAPI without batching, whose timer only costs here; access log off",
    launch=python_launch("litserve_app.py"),
    wires={"json": plain_json("/predict", nested=False)},
    packages=("litserve==0.2.19", *ONNX, "uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0"),
)
