"""What comes and goes for weeks leaves nothing behind: memory, threads, open files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.backends import BACKENDS
from services.container import Container
from tests.support.factors import add_factor
from tests.support.published import add_benchmark, add_version

ROOT = Path(__file__).parents[3]
TIMES, MODEL_BYTES = 200, 4_000_000

CYCLES = """
import asyncio, json, os, sys
from pathlib import Path
import numpy as np
from services.container import Container
from services.serving.engine import Engine
from services.serving.key import Key
from services.serving.stats import Timing
from services.settings import Settings
from tests.services.conftest import RecordingQueue

X = {"x": np.ones((1, 2), np.float32)}
held = []  # as a route holds it that nobody asks any more

def taken():
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    return resident, len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))

async def cycle(engine, times):
    for _ in range(times):
        await engine.load("m")
        served = await engine.resolve("m")
        outputs = await engine.run(served, "onnxruntime", X, 1, Timing())
        assert outputs["y"].tolist() == [[3.0, 3.0]], outputs
        held.append(engine.cache.peek(Key("m", served.version, "onnxruntime")).bound((1, 2)))
        assert held[-1] is not None
        await engine.unload("m")
        assert engine.cache.used_bytes == 0

async def main():
    container = Container(Settings(data_dir=Path(sys.argv[1])), queue=RecordingQueue())
    engine = Engine(container.registry, memory_bytes=1 << 30, queue_limit_s=1.0)
    await engine.start()
    await cycle(engine, 20)
    before = taken()
    await cycle(engine, int(sys.argv[2]))
    after = taken()
    await engine.stop()
    container.close()
    print(json.dumps([b - a for a, b in zip(before, after)]))

asyncio.run(main())
"""


WARM = """
import asyncio, json, sys
from pathlib import Path
from services.container import Container
from services.serving.engine import Engine
from services.settings import Settings
from tests.services.conftest import RecordingQueue

async def main():
    container = Container(Settings(data_dir=Path(sys.argv[1])), queue=RecordingQueue())
    engine = Engine(container.registry, memory_bytes=1 << 30, queue_limit_s=1.0)
    await engine.start()
    while engine.not_ready() is not None:
        await asyncio.sleep(0.01)
    loaded = sorted(key.backend for key in engine.cache)
    await engine.stop()
    container.close()
    print(json.dumps([loaded, "torch" in sys.modules]))

asyncio.run(main())
"""


def run_python(code: str, *arguments: str) -> Any:
    """→ what the last line of its output holds as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="reads memory from /proc")
def test_loading_and_unloading_leaves_nothing_behind(container: Container) -> None:
    """In a process of its own. Models that were kept would be 800 MB; what an allocator holds back
    for the next one is a few, not the same in every run."""
    add_factor(container, 3.0, ballast_bytes=MODEL_BYTES)
    grown, threads, files = run_python(CYCLES, str(container.settings.data_dir), str(TIMES))
    assert grown < TIMES * MODEL_BYTES / 2
    assert threads <= 4  # of the pool that asks the database
    assert files <= 4


def test_torch_is_imported_only_where_auto_picks_a_backend_of_its(container: Container) -> None:
    add_version(container, "binary")
    for fastest, with_torch in (("onnxruntime", False), ("torchscript", True)):
        means = {name: 1.0 if name == fastest else 2.0 for name in BACKENDS}
        add_benchmark(container, "demo", means)
        assert container.registry.version("demo").preferred_backend == {"1": fastest}
        found = run_python(WARM, str(container.settings.data_dir))
        assert found == [[fastest], with_torch]
