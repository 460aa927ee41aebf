"""Where, when and of what the figures are: a table without this says nothing."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.serving.servers.base import ROOT
from models.latency import environment

OWN_PACKAGES = (
    "fastapi",
    "uvicorn",
    "uvloop",
    "httptools",
    "pydantic",
    "numpy",
    "onnxruntime",
    "grpcio",
)


def about(arguments: Sequence[str], environments: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """`environments`: by server, every package that its environment holds."""
    host = environment(1)
    return {
        "cpu": host["cpu_model"],
        "cores": host["cores"],
        "memory_gib": round(_memory_kib() / 2**20, 1),
        "os": host["os"],
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "date": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "commit": _commit(),
        "command": shlex.join(["python", "-m", "benchmarks.serving", *arguments]),
        "versions": {name: version(name) for name in OWN_PACKAGES},
        "environments": {name: list(packages) for name, packages in environments.items()},
    }


def _memory_kib() -> int:
    return int(Path("/proc/meminfo").read_text().split()[1])


def _commit() -> str:
    """The short hash, with a plus where files differ from it."""
    head = _git("rev-parse", "--short", "HEAD")
    return f"{head}+" if _git("status", "--porcelain", "--untracked-files=no") else head


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or ("" if arguments[0] == "status" else "unknown")
