"""Bit for bit the same, whether one process does it or several, one after the other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models.checkpoints import read_checkpoint
from tests.models.fresh_process import NETS
from tests.support.exact import differences

pytestmark = pytest.mark.long

THREADS = 2
STOP_AT = 10
"""Steps into the second epoch, of six."""


def in_a_process(threads: int, directory: Path, *rest: object) -> None:
    command = [sys.executable, "-W", "error", "-m", "tests.models.fresh_process"]
    # As trainers are started: threads that spin fight over the cores.
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    arguments = map(str, (threads, directory, *rest))
    subprocess.run([*command, *arguments], env=environment, check=True, timeout=240)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in one piece and one in two, of which the second starts with fewer threads."""
    root = tmp_path_factory.mktemp("processes")
    in_a_process(THREADS, root, STOP_AT)
    in_a_process(1, root)
    return root


@pytest.mark.parametrize("net", NETS)
def test_they_end_with_the_same_bits(net: str, directory: Path) -> None:
    places = [directory / net / name for name in ("whole", "first", "second")]
    whole, first, second = (torch.load(place / "found.pt") for place in places)
    assert (first["exact"], second["exact"]) == ([], [True])
    assert len(first["history"]) == 1
    assert first["history"] + second["history"] == whole["history"]
    assert differences(whole["weights"], second["weights"]) == []
    last = [read_checkpoint(place / "last.pt") for place in places]
    assert differences(last[0], last[2]) == []
