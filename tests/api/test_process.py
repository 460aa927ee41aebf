"""What the process that users run takes of a machine."""

from __future__ import annotations

import asyncio
import platform
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
import tritonclient.grpc.aio as triton

from tests.api.conftest import ROOT, Process, started

needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
LIMIT_MIB = 150
CLIENTS = 64
ROW = np.full((1, 1, 8, 8), 0.5, np.float32)


@needs_proc
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


LEFT_BEHIND = """
import asyncio
from pathlib import Path
from api.memory import give_back

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

async def main():
    left = [bytes(4000) for _ in range(20_000)]
    last = bytes(4000)  # holds the heap's end where it is
    del left
    before = resident()
    giving = asyncio.create_task(give_back(0.001))
    await asyncio.sleep(0.1)
    giving.cancel()
    print(before - resident())

asyncio.run(main())
"""


@needs_proc
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_what_a_load_left_in_the_heap_is_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEFT_BEHIND], cwd=ROOT, capture_output=True, check=True, timeout=60
    )
    assert int(done.stdout) > 60 << 20


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
