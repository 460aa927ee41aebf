"""How `torchkiln up` ends: asked to, killed, or because it cannot start."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.torchkiln.upstack import Start, alive, until, users


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGHUP])
def test_other_stop_signals(start: Start, kind: signal.Signals) -> None:
    up = start()
    up.ready()
    up.process.send_signal(kind)
    assert up.ended() == 0
    assert up.users() == set()


def test_stop_during_the_start(start: Start) -> None:
    up = start()
    until((up.data_dir / "logs/broker.log").exists)
    assert up.stop() == 0
    assert up.output == ""
    assert up.users() == set()


def test_second_stop_signal_kills(start: Start, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/stubborn").touch()
    up = start()
    up.ready()
    until((up.data_dir / "trainer.pid").exists)
    trainer = int((up.data_dir / "trainer.pid").read_text())
    up.process.send_signal(signal.SIGTERM)

    def insist() -> bool:
        up.process.send_signal(signal.SIGTERM)
        try:
            return up.process.wait(2) == 0
        except subprocess.TimeoutExpired:
            return False

    until(insist)
    assert up.users() == set()
    assert not alive(trainer)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux alone sees to this")
def test_killed_up_takes_everything_along_and_the_next_starts(start: Start) -> None:
    up = start()
    up.ready()
    trainer = int((up.data_dir / "trainer.pid").read_text())
    up.process.kill()
    up.process.wait()
    until(lambda: not up.users(), up.users)
    until(lambda: not alive(trainer))

    again = start()
    again.ready()
    assert again.errors.startswith("gRPC is at ")
    assert again.errors.count("\n") == 1


def test_orphans_of_a_killed_up_are_stopped(start: Start, tmp_path: Path) -> None:
    """As on a system whose kernel does not kill them: a process that inherited the lock."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    orphan = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, sys, time\n"
            "lock = open(sys.argv[1], 'w')\n"
            "fcntl.flock(lock, fcntl.LOCK_EX)\n"
            "print(flush=True)\n"
            "time.sleep(3600)",
            str(data_dir / "children.lock"),
        ],
        stdout=subprocess.PIPE,
    )
    with orphan:
        assert orphan.stdout
        orphan.stdout.readline()
        up = start()
        up.ready()
        assert orphan.wait() == -signal.SIGTERM
    assert f"left behind: [{orphan.pid}]" in up.errors
    assert users(data_dir)


@pytest.mark.parametrize(
    ("obstacle", "complaint", "said"),
    [
        ("api-exits", "api stopped with status 1 before", "the api says why"),
        ("migration-fails", "the migration of the database stopped with status 1", "no such table"),
    ],
)
def test_failed_start_shows_the_log(
    start: Start, tmp_path: Path, obstacle: str, complaint: str, said: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / obstacle).touch()
    up = start()
    assert up.ended() == 1
    assert complaint in up.errors
    assert said in up.errors
    assert str(up.data_dir / "logs") in up.errors
    assert "Traceback" not in up.errors
    assert up.output == ""
    assert up.users() == set()


def test_verbose_shows_the_logs(start: Start) -> None:
    up = start("--verbose")
    up.ready()
    until(lambda: "worker | the worker works" in up.errors, lambda: up.errors)
    assert "migrate | manage migrate None" in up.errors
