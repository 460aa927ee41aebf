"""What the process that users run takes of a machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import numpy as np
import pytest
import tritonclient.grpc.aio as triton

from tests.api.conftest import Process, started

LIMIT_MIB = 150
CLIENTS = 64
ROW = np.full((1, 1, 8, 8), 0.5, np.float32)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_with_onnx_models_alone_it_stays_below_150_mib(tmp_path: Path) -> None:
    """Under load by JSON and by gRPC, on connections of their own: resident, with all libraries."""
    with started(tmp_path, "image") as process:
        by_http(process)
        asyncio.run(by_grpc(process))
        taken = Path(f"/proc/{process.popen.pid}/statm").read_text().split()[1]
        mapped = Path(f"/proc/{process.popen.pid}/maps").read_text()
    assert "libtorch" not in mapped
    assert "onnxruntime" in mapped
    assert int(taken) * 4096 < LIMIT_MIB << 20


def by_http(process: Process) -> None:
    tensor = {"name": "images", "datatype": "FP32", "shape": [*ROW.shape]}
    request = {"inputs": [{**tensor, "data": ROW.ravel().tolist()}]}
    for _ in range(CLIENTS):
        with httpx.Client(base_url=process.url, trust_env=False) as client:
            for _ in range(8):
                client.post("/v2/models/image/infer", json=request).raise_for_status()


async def by_grpc(process: Process) -> None:
    tensor = triton.InferInput("images", [*ROW.shape], "FP32").set_data_from_numpy(ROW)

    async def client() -> None:
        alone = [("grpc.use_local_subchannel_pool", 1)]  # a connection of its own
        async with triton.InferenceServerClient(process.grpc, channel_args=alone) as made:
            for _ in range(20):
                assert (await made.infer("image", [tensor])).as_numpy("probabilities") is not None

    await asyncio.gather(*[client() for _ in range(CLIENTS)])
