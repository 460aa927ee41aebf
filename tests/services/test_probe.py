"""What a container engine is told of a process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services import probe
from tests.api.conftest import ROOT
from workers.workdirs import WorkDirs


def test_a_worker_is_well_while_it_gives_signs_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHKILN_DATA_DIR", str(tmp_path))
    assert not probe.worker()
    workdirs = WorkDirs(tmp_path / "work", "worker-1")
    assert probe.worker()
    long_ago = time.time() - probe.SILENT_S - 1
    os.utime(tmp_path / "work/worker-1.lock", (long_ago, long_ago))
    assert not probe.worker()
    workdirs.touch()
    assert probe.worker()
    workdirs.close()
    assert not probe.worker()


@pytest.mark.parametrize("role", ["api", "worker"])
def test_nobody_there_is_not_well(role: str, tmp_path: Path) -> None:
    """Without a traceback, as it is run in the images."""
    env = os.environ | {"TORCHKILN_PORT": "9", "TORCHKILN_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-S", "-m", "services.probe", role]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (1, b"")
