"""The product: real API processes with a key, metrics, limits and the registry behind them."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from benchmarks.serving.servers.base import HOST, ROOT, Launch, Server, Site
from benchmarks.serving.servers.grpc_wire import grpc_wire
from benchmarks.serving.servers.wires import v2_binary, v2_json


def _key(site: Site) -> Mapping[str, str]:
    return {"authorization": f"Bearer {site.kiln.secret}"}


def _launch(site: Site) -> Launch:
    """As many processes as workers, all of them on one port."""
    env = {
        "PYTHONPATH": str(ROOT),
        "TORCHKILN_DATA_DIR": str(site.kiln.data_dir),
        "TORCHKILN_HOST": HOST,
        "TORCHKILN_PORT": str(site.port),
        "TORCHKILN_GRPC_PORT": str(site.grpc_port),
        "TORCHKILN_REDIS_URL": site.kiln.redis_url,
        "TORCHKILN_LOG_LEVEL": "warning",
    }
    return Launch([[sys.executable, "-m", "api"]] * site.workers, env)


SERVER = Server(
    name="torchkiln",
    title="torchkiln",
    about="API processes on SQLite and the embedded broker: API key, metrics, request ids, limits "
    "and alias on",
    launch=_launch,
    wires={
        "json": v2_json(headers=_key),
        "binary": v2_binary(headers=_key),
        "grpc": grpc_wire(_key),
    },
)
