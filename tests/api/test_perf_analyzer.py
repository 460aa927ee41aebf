"""Triton's `perf_analyzer`, from the last wheel of its makers that had the program in it."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.api.conftest import Process
from tests.support.clients import CLIENTS

PROGRAM = CLIENTS / "bin/perf_analyzer"
LIBRARIES = CLIENTS / "lib/python3.11/site-packages/nvidia/cuda_runtime/lib"
FROM_SERVER = ("Server Queue", "Server Compute Input", "Server Compute Infer")
"""Columns of its report, in microseconds, that it works out of the server's statistics."""


def analyzed(target: Path, url: str, *options: str) -> list[dict[str, str]]:
    """→ what it reports of one client, and of two at a time, on the model `image`."""
    if not PROGRAM.exists() or shutil.which(PROGRAM) is None:
        pytest.skip("perf_analyzer is not installed; `make clients` does it")
    command = [PROGRAM, "-m", "image", "-u", url, "--shape", "images:1,28,28", "-b", "2"]
    command += ["--concurrency-range", "1:2", "--measurement-mode", "count_windows"]
    command += ["--measurement-request-count", "40", "-r", "3", "-s", "100", "-f", target]
    done = subprocess.run(
        [*command, *options],
        env={**os.environ, "LD_LIBRARY_PATH": str(LIBRARIES)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    if "error while loading shared libraries" in done.stdout:
        pytest.skip(done.stdout.strip() + " (Debian: libb64-0d)")
    assert target.exists(), done.stdout
    with target.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.client("perf_analyzer", "HTTP, with the server's statistics")
def test_http(process: Process, tmp_path: Path) -> None:
    check(analyzed(tmp_path / "report.csv", process.address, "-i", "http"))


@pytest.mark.client("perf_analyzer", "gRPC, with the server's statistics")
def test_grpc(process: Process, tmp_path: Path) -> None:
    check(analyzed(tmp_path / "report.csv", process.grpc, "-i", "grpc"))


def check(report: list[dict[str, str]]) -> None:
    assert {row["Concurrency"] for row in report} == {"1", "2"}
    for row in report:
        assert float(row["Inferences/Second"]) > 0
        assert int(row["p50 latency"]) > 0
        assert all(int(row[column]) >= 0 for column in FROM_SERVER), row
        assert int(row["Server Compute Infer"]) > 0
