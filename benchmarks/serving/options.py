"""The command line."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.plan import PARTS, PARTS_QUICK, QUICK, Part
from benchmarks.serving.servers import SERVERS
from benchmarks.serving.servers.base import ROOT

OUTPUT = ROOT / "docs/benchmarks"
PROGRAMS = {"wrk": "wrk", "h2load": "nghttp2-client", "taskset": "util-linux"}
"""What loads and pins, by the Debian package that has it."""
LEAST_CORES = 2


@dataclass(frozen=True)
class Options:
    names: Sequence[str]
    parts: Sequence[Part]
    seconds: int
    rounds: int
    output: Path


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Ends the program where they cannot be followed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving")
    parser.add_argument("--quick", action="store_true", help="few servers, one model, one round")
    parser.add_argument("--only", default="", help=f"some of {','.join(SERVERS)}")
    parser.add_argument("--seconds", type=int, default=0, help="of each load; 2, or 1 with --quick")
    parser.add_argument("--rounds", type=int, default=0, help="3, or 1 with --quick")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="directory of the report")
    found = parser.parse_args(arguments)
    names = [name for name in found.only.split(",") if name]
    unknown = sorted(set(names) - set(SERVERS))
    if unknown:
        parser.error(f"--only: expected some of {', '.join(SERVERS)}, got {', '.join(unknown)}")
    missing = [
        f"{name} (apt-get install {package})"
        for name, package in PROGRAMS.items()
        if shutil.which(name) is None
    ]
    if missing:
        parser.error(f"not on this machine: {', '.join(missing)}")
    cores = len(os.sched_getaffinity(0))
    if cores < LEAST_CORES:
        parser.error(f"expected at least {LEAST_CORES} cores, got {cores}")
    quick: bool = found.quick
    return Options(
        names or (QUICK if quick else list(SERVERS)),
        PARTS_QUICK if quick else PARTS,
        found.seconds or (1 if quick else 2),
        found.rounds or (1 if quick else 3),
        found.output,
    )
