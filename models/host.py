"""What the figures and the choices of a host depend on: its processor, cores and libraries."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
LIBRARIES = ("torch", "onnxruntime", "numpy")


def cores() -> int:
    """Those that this process may run on, where the system can say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_model(cpuinfo: Path = CPUINFO) -> str:
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def versions() -> dict[str, str]:
    """Of Python and the libraries that models run on; imports none of them."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}
