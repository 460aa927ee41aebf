"""Ray Serve: an HTTP proxy, replicas, and Ray's own processes."""

from __future__ import annotations

from benchmarks.serving.servers.base import ONNX, Server, python_launch
from benchmarks.serving.servers.wires import plain_json

SERVER = Server(
    name="ray",
    title="Ray Serve",
    about="one deployment behind the HTTP proxy, without batching; access log off",
    launch=python_launch("ray_app.py"),
    wires={"json": plain_json("/predict")},
    packages=("ray[serve]==2.60.0", *ONNX),
    start_limit_s=120,
)
