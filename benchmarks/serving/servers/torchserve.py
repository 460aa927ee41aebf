"""TorchServe: a Java front end, and Python workers behind sockets."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.serving.servers.base import HOST, ONNX, PEERS, Launch, Server, Site
from benchmarks.serving.servers.wires import plain_json

CONFIG = """\
inference_address=http://{host}:{port}
management_address=http://{host}:{management}
metrics_address=http://{host}:{metrics}
model_store={store}
load_models={name}={name}
models={models}
disable_token_authorization=true
disable_system_metrics=true
"""
LOGGING = """\
<?xml version="1.0" encoding="UTF-8"?>
<Configuration><Loggers><Root level="error"/></Loggers></Configuration>
"""


def _archive(site: Site) -> Path:
    """The model as `torch-model-archiver --archive-format no-archive` lays it out."""
    folder = site.directory / "store" / site.model.name
    (folder / "MAR-INF").mkdir(parents=True)
    model = {"modelName": site.model.name, "handler": "handler.py", "modelVersion": "1.0"}
    manifest = {"runtime": "python", "model": model, "archiverVersion": "0.12.0"}
    (folder / "MAR-INF/MANIFEST.json").write_text(json.dumps(manifest))
    shutil.copy(PEERS / "torchserve_handler.py", folder / "handler.py")
    return folder.parent


def _launch(batch: int) -> Callable[[Site], Launch]:
    def launch(site: Site) -> Launch:
        workers = {"minWorkers": site.workers, "maxWorkers": site.workers}
        version = {
            **workers,
            "defaultVersion": True,
            "marName": site.model.name,
            "batchSize": batch,
            "maxBatchDelay": 1,
            "responseTimeout": 60,
        }
        config = CONFIG.format(
            host=HOST,
            port=site.port,
            management=site.more_ports[0],
            metrics=site.more_ports[1],
            store=_archive(site),
            name=site.model.name,
            models=json.dumps({site.model.name: {"1.0": version}}),
        )
        (site.directory / "config.properties").write_text(config)
        (site.directory / "log4j2.xml").write_text(LOGGING)
        start = [str(site.python.with_name("torchserve")), "--start", "--foreground", "--ncs"]
        options = ["--ts-config", "config.properties", "--log-config", "log4j2.xml"]
        env = {"PYTHONPATH": str(PEERS), "LOG_LOCATION": "logs", "METRICS_LOCATION": "logs"}
        return Launch([[*start, *options]], {**site.settings, **env})

    return launch


PACKAGES = ("torchserve==0.12.0", "torch-model-archiver==0.12.0", *ONNX)

SINGLE = Server(
    name="torchserve",
    title="TorchServe",
    about="no batching; logs and system metrics off",
    launch=_launch(1),
    wires={"json": plain_json("/predictions/{name}", nested=False)},
    packages=PACKAGES,
    needs=("java",),
    borrows=True,
)
BATCHING = Server(
    name="torchserve-batching",
    title="TorchServe, batching",
    about="batches of up to 64 within 1 ms; logs and system metrics off",
    launch=_launch(64),
    wires={"json": plain_json("/predictions/{name}", nested=False)},
    packages=PACKAGES,
    needs=("java",),
    environment="torchserve",
    borrows=True,
)
