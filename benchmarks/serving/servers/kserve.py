"""The KServe SDK's model server."""

from __future__ import annotations

from benchmarks.serving.servers.base import ONNX, Server, python_launch
from benchmarks.serving.servers.wires import plain_json, v2_binary

SERVER = Server(
    name="kserve",
    title="KServe SDK",
    about="`kserve.Model` in its own server; JSON by its V1 protocol, with which it is 2.5 "
    "times as fast as with V2; access and trace logs off",
    launch=python_launch("kserve_app.py"),
    wires={
        "json": plain_json("/v1/models/{name}:predict", asked="instances", key="predictions"),
        "binary": v2_binary(),
    },
    packages=("kserve==0.21.0", *ONNX),
)
