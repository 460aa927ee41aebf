"""API processes from nothing to their first answer, and what they then take."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import tritonclient.grpc.aio as triton

from benchmarks.serving.processes import Processes
from models.host import cores
from models.rows import Tensors

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 60.0
POLL_S = 0.005
ANSWERS = 2000
"""After which memory is read: what a process takes when it works, not when it has just begun. So
many by HTTP, and where gRPC's port is open as many by it."""
CONNECTIONS = 64
"""Of gRPC, at a time."""


@dataclass(frozen=True)
class Started:
    ready_s: float
    answered_s: float
    rss: float
    """MiB, of one process on average."""
    pss: float
    """MiB; pages that processes share are divided among them."""


def start(data_dir: Path, row: Tensors, *, processes: int, grpc: bool) -> Started:
    """Start so many API processes over the registry in `data_dir`, and ask them for `row`'s answer
    by the one model in it, `mlp`; `grpc`: with its port open, and asked there as well."""
    port, grpc_port = _free_port(), _free_port() if grpc else 0
    kept = {name: text for name, text in os.environ.items() if not name.startswith("TORCHKILN_")}
    env = {
        **kept,
        "TORCHKILN_DATA_DIR": str(data_dir),
        "TORCHKILN_PORT": str(port),
        "TORCHKILN_GRPC_PORT": str(grpc_port),
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
            return _watch(running, port, grpc_port, row, began, processes)
        finally:
            running.stop()


def _watch(
    running: Processes, port: int, grpc_port: int, row: Tensors, began: float, processes: int
) -> Started:
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url, trust_env=False) as client:
        _wait(client, running, began)
        ready = time.perf_counter()
        _ask(client, row)
        answered = time.perf_counter()
    for _ in range(ANSWERS // 100):  # connections of their own, so that all processes get some
        with httpx.Client(base_url=url, trust_env=False) as client:
            for _ in range(100):
                _ask(client, row)
    if grpc_port:
        asyncio.run(_ask_by_grpc(f"127.0.0.1:{grpc_port}", row))
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


async def _ask_by_grpc(address: str, row: Tensors) -> None:
    inputs = [
        triton.InferInput(name, [*array.shape], "FP32").set_data_from_numpy(array)
        for name, array in row.items()
    ]

    async def client() -> None:
        alone = [("grpc.use_local_subchannel_pool", 1)]
        async with triton.InferenceServerClient(address, channel_args=alone) as made:
            for _ in range(ANSWERS // CONNECTIONS):
                await made.infer("mlp", inputs)

    await asyncio.gather(*[client() for _ in range(CONNECTIONS)])


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
