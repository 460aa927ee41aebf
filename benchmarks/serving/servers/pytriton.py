"""Triton Inference Server in the form that a package index has: PyTriton."""

from __future__ import annotations

import sysconfig

from benchmarks.serving.servers.base import Launch, Server, Site, script
from benchmarks.serving.servers.grpc_wire import grpc_wire
from benchmarks.serving.servers.wires import v2_binary, v2_json


def _launch(site: Site) -> Launch:
    """Triton's Python backend loads the interpreter as a library, and the standard library of the
    environment: both have to be of one release, not the library that the system happens to have."""
    libraries = {"LD_LIBRARY_PATH": str(sysconfig.get_config_var("LIBDIR"))}
    return Launch([[str(site.python), script("pytriton_app.py")]], {**site.settings, **libraries})


SERVER = Server(
    name="triton",
    title="Triton (PyTriton)",
    about="the C++ server with a Python model, the only backend in this wheel; dynamic batching "
    "without delay",
    launch=_launch,
    wires={"json": v2_json(), "binary": v2_binary(), "grpc": grpc_wire()},
    packages=("nvidia-pytriton==0.7.0", "numpy==1.26.4", "onnxruntime==1.32.0"),
)
