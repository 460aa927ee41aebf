"""Everything slow that a run needs, done before there is a run."""

from __future__ import annotations

import importlib
import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

MODULES = (
    "matplotlib.figure",
    "models.artifacts",
    "models.benchmarking",
    "models.latency_plot",
    "models.pipelines",
    "models.plots",
    "models.publishing",
    "models.supervised",
    "onnxruntime",
    "onnxscript",
    "sklearn.datasets",
)
"""What nearly every run imports, some of it at first use: two and a half seconds of it."""

PACKAGES = ("torchkiln", "torch", "torchvision", "onnxruntime", "numpy")


@dataclass(frozen=True)
class Prepared:
    """What a warm process has."""

    devices: list[dict[str, Any]]
    """`{"name": "cpu"}`, `{"name": "cuda:0", "model", "memory_bytes"}`."""
    versions: dict[str, str]
    default_threads: int
    """What torch takes by itself."""


def up(threads: int) -> Prepared:
    """Import torch, let it use `threads`, and take a step.

    The first optimizer of a process imports torch._dynamo, which takes a second: it is made here.
    """
    import torch

    from models import exactness

    default_threads = torch.get_num_threads()
    torch.set_num_threads(threads)
    layer = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.zeros(1, 2)).sum().backward()
    optimizer.step()
    for module in MODULES:
        importlib.import_module(module)
    exactness.code_sha256()  # of what is imported now, whatever is on disk later
    return Prepared(_devices(), _versions(), default_threads)


def _devices() -> list[dict[str, Any]]:
    import torch

    found: list[dict[str, Any]] = [{"name": "cpu"}]
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            device = torch.cuda.get_device_properties(index)
            found.append(
                {
                    "name": f"cuda:{index}",
                    "model": device.name,
                    "memory_bytes": device.total_memory,
                }
            )
    return found


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
