"""Threads, memory and imports: what a runner takes from the process, and gives back."""

from __future__ import annotations

import ast
import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.backends import BACKENDS
from models.backends.base import Backend
from models.servable import build
from models.torch_runner import TorchRunner
from tests.support.models import Exported, signature

ROOT = Path(__file__).parents[3]


def test_torch_runs_with_the_threads_asked_for_and_puts_them_back() -> None:
    seen: list[int] = []

    def module(x: torch.Tensor) -> torch.Tensor:
        seen.append(torch.get_num_threads())
        return x

    before = torch.get_num_threads()
    row = {"features": np.zeros((1, 3), np.float32)}
    for threads in (before + 1, None):
        TorchRunner(module, signature((3,), 3), threads=threads).run(row)
    assert seen == [before + 1, before]
    assert torch.get_num_threads() == before


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in /proc")
def test_onnxruntime_has_the_threads_asked_for(image: Exported) -> None:
    def count(threads: int) -> int:
        before = len(os.listdir("/proc/self/task"))  # noqa: PTH208 - iterdir of a shifting folder
        runner = BACKENDS["onnxruntime"].load(
            image.directory, image.trained.signature, threads=threads
        )
        started = len(os.listdir("/proc/self/task")) - before  # noqa: PTH208 - as above
        runner.close()
        gc.collect()
        return started

    assert count(4) - count(1) == 3


def _run_python(code: str, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return ast.literal_eval(done.stdout)


TORCH_FREE = """
import json, sys
from pathlib import Path
import numpy as np
import models.backends, models.latency, models.benchmarking, models.publishing, models.latency_plot
from models.signature import Signature
at_import = [name for name in ("torch", "onnx", "onnxruntime", "matplotlib") if name in sys.modules]
signature = Signature.from_json(json.loads(sys.argv[2]))
runner = models.backends.BACKENDS["onnxruntime"].load(Path(sys.argv[1]), signature, threads=1)
answer = runner.run({"images": np.zeros((2, 1, 8, 8), np.float32)})
runner.close()
print((at_import, "torch" in sys.modules, answer["probabilities"].shape))
"""


def test_onnxruntime_serves_without_torch(image: Exported) -> None:
    at_import, torch_imported, shape = _run_python(
        TORCH_FREE, str(image.directory), json.dumps(image.trained.signature.to_json())
    )
    assert at_import == []
    assert torch_imported is False
    assert shape == (2, 3)


LEAK = """
import json, sys
from pathlib import Path
import numpy as np
from models.backends import BACKENDS
from models.signature import Signature
signature = Signature.from_json(json.loads(sys.argv[2]))
backend, row = BACKENDS[sys.argv[3]], {"features": np.ones((1, 1024), np.float32)}
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
def cycle(times):
    for _ in range(times):
        runner = backend.load(Path(sys.argv[1]), signature, threads=1)
        runner.run(row)
        runner.close()
cycle(5)
before = resident()
cycle(20)
print(resident() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="reads memory from /proc")
def test_closing_gives_the_memory_back(backend: Backend, tmp_path: Path) -> None:
    """Twenty times a model of 4 MB, in a process of its own: kept, they would be 84 MB. What an
    allocator holds back for the next time is some 10 MB, not the same in every run."""
    servable = build(
        {
            "pre": {"name": "identity"},
            "net": {
                "name": "mlp",
                "inputs": 1024,
                "hidden": [1024],
                "outputs": 2,
                "activation": "relu",
                "dropout": 0.0,
            },
            "post": {"name": "softmax"},
        }
    )
    specs = signature((1024,), 2)
    rows = {"features": np.ones((2, 1024), np.float32)}
    backend.export(servable.eval(), rows, specs, tmp_path)
    grown = _run_python(LEAK, str(tmp_path), json.dumps(specs.to_json()), backend.name)
    assert grown < 42e6
