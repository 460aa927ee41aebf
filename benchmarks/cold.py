"""API processes from nothing to their first answer, and what they then take."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.serving.processes import Processes
from models.host import cores
from models.rows import Tensors

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 60.0
POLL_S = 0.005
ANSWERS = 2000
"""After which memory is read: what a process takes when it works, not when it has just begun."""


@dataclass(frozen=True)
class Started:
    ready_s: float
    answered_s: float
    rss: float
    """MiB, of one process on average."""
    pss: float
    """MiB; pages that processes share are divided among them."""


def start(data_dir: Path, row: Tensors, *, processes: int) -> Started:
    """Start so many API processes over the registry in `data_dir`, and ask them for `row`'s answer
    by the one model in it, `mlp`."""
    port = _free_port()
    kept = {name: text for name, text in os.environ.items() if not name.startswith("TORCHKILN_")}
    env = {
        **kept,
        "TORCHKILN_DATA_DIR": str(data_dir),
        "TORCHKILN_PORT": str(port),
        "TORCHKILN_REDIS_URL": "redis://127.0.0.1:1/0",  # predictions need no broker
        "TORCHKILN_LOG_LEVEL": "error",
    }
    with tempfile.TemporaryDirectory() as directory:
        began = time.perf_counter()
        running = Processes(
            [[sys.executable, "-m", "api"]] * processes,
            cores=f"0-{cores() - 1}",
            env=env,
            cwd=ROOT,
            log=Path(directory, "log"),
        )
        try:
            return _watch(running, f"http://127.0.0.1:{port}", row, began, processes)
        finally:
            running.stop()


def _watch(running: Processes, url: str, row: Tensors, began: float, processes: int) -> Started:
    with httpx.Client(base_url=url, trust_env=False) as client:
        _wait(client, running, began)
        ready = time.perf_counter()
        _ask(client, row)
        answered = time.perf_counter()
    for _ in range(ANSWERS // 100):  # connections of their own, so that all processes get some
        with httpx.Client(base_url=url, trust_env=False) as client:
            for _ in range(100):
                _ask(client, row)
    memory = running.memory()
    return Started(ready - began, answered - began, memory.rss / processes, memory.pss / processes)


def _wait(client: httpx.Client, running: Processes, began: float) -> None:
    while True:
        if said := running.ended():
            raise RuntimeError(said)
        if time.perf_counter() - began > LIMIT_S:
            raise RuntimeError(f"the API is not ready after {LIMIT_S:g} s")
        try:
            if client.get("/v2/health/ready").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(POLL_S)


def _ask(client: httpx.Client, row: Tensors) -> None:
    inputs: list[dict[str, Any]] = [
        {"name": name, "datatype": "FP32", "shape": [*array.shape], "data": array.ravel().tolist()}
        for name, array in row.items()
    ]
    client.post("/v2/models/mlp/infer", json={"inputs": inputs}).raise_for_status()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
