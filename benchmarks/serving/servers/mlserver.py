"""MLServer, with the model in its own process or in worker processes beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from benchmarks.serving.servers.base import HOST, ONNX, PEERS, Launch, Server, Site
from benchmarks.serving.servers.grpc_wire import grpc_wire
from benchmarks.serving.servers.wires import v2_json

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": "WARNING"},
    "loggers": {"uvicorn.access": {"level": "WARNING"}},
}


def _launch(parallel: bool) -> Callable[[Site], Launch]:
    def launch(site: Site) -> Launch:
        settings: dict[str, Any] = {
            "debug": False,
            "host": HOST,
            "http_port": site.port,
            "grpc_port": site.grpc_port,
            "metrics_port": site.more_ports[1],
            "parallel_workers": site.workers if parallel else 0,
            "logging_settings": LOGGING,
        }
        model = {"name": site.model.name, "implementation": "mlserver_runtime.Runtime"}
        (site.directory / "settings.json").write_text(json.dumps(settings))
        (site.directory / "model-settings.json").write_text(json.dumps(model))
        command = [str(site.python.with_name("mlserver")), "start", str(site.directory)]
        return Launch([command], {**site.settings, "PYTHONPATH": str(PEERS)})

    return launch


PACKAGES = ("mlserver==1.7.1", *ONNX, "uvloop==0.21.0", "httptools==0.9.0")
"""Its parallel workers do not start with a newer uvloop."""

INLINE = Server(
    name="mlserver",
    title="MLServer, in process",
    about="parallel_workers 0: there is no more than one process; access log off",
    launch=_launch(parallel=False),
    wires={"json": v2_json(), "grpc": grpc_wire()},
    packages=PACKAGES,
)
PARALLEL = Server(
    name="mlserver-parallel",
    title="MLServer, parallel workers",
    about="as many inference workers as there are to be; access log off",
    launch=_launch(parallel=True),
    wires={"json": v2_json()},
    packages=PACKAGES,
    environment="mlserver",
)
