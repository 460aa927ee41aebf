"""A save that is killed at any point leaves the last committed checkpoint whole, and no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from models.checkpoints import CheckpointFolder, read_checkpoint
from tests.support import postgres

SIZES = {"first.pt": 1_000, "second.pt": 50_000}


DRIVERS = {"sqlite": "sqlite3", "postgres": "server"}


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def killed(
    kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """What the next attempt finds, for each point of the second save; the last one was let be."""
    root = tmp_path_factory.mktemp("killed")
    for step, (name, size) in enumerate(SIZES.items(), start=1):
        state = {"step": step, "bytes": "x" * size}
        folder = CheckpointFolder(root / "made")
        saved = folder.save(state, epoch=step, step=step, metrics={}, best=False)
        saved.path.rename(root / name)
    command = [sys.executable, "-W", "error", "-m", "tests.workers.killed_saves", str(root)]
    with ExitStack() as stack:
        environment = dict(os.environ)
        if kind == "postgres":
            new = postgres.database(request.getfixturevalue("postgres_url"))
            environment["TORCHKILN_DATABASE_URL"] = stack.enter_context(new)
        subprocess.run(command, env=environment, check=True, timeout=240)
    return json.loads((root / "told.json").read_text())


def test_it_is_killed_in_the_middle_of_a_write_and_before_every_change(
    kind: str, killed: list[dict[str, Any]]
) -> None:
    execute, commit = f"{DRIVERS[kind]}.execute", f"{DRIVERS[kind]}.commit"
    assert [told["killed"] for told in killed] == [True] * (len(killed) - 1) + [False]
    calls = [told["call"] for told in killed]
    assert len([call for call in calls if call.startswith("byte ")]) == 3
    assert {"_io.write", "posix.link", execute, commit} <= {*calls}
    renamed = calls.index("posix.replace")
    # Content, then name, are durable before the row says that there is a checkpoint.
    assert calls.index("_io.write") < calls.index("posix.fsync") < renamed
    assert calls.index("posix.fsync", renamed) < calls.index("posix.link")
    stored = calls.index("posix.replace", renamed + 1)
    assert calls.index("posix.fsync", stored) < calls.index(execute)


def test_the_next_attempt_goes_on_from_the_last_committed_one(
    kind: str, killed: list[dict[str, Any]]
) -> None:
    steps = [told["step"] for told in killed]
    committed = [told["call"] for told in killed].index(f"{DRIVERS[kind]}.commit") + 1
    assert steps == [1] * committed + [2] * (len(killed) - committed)
    assert [told["rows"] for told in killed] == steps
    assert not [problem for told in killed for problem in told["damaged"]]


def test_and_it_always_loads(killed: list[dict[str, Any]]) -> None:
    for told in killed:
        assert read_checkpoint(Path(told["path"]))["step"] == told["step"]
