"""Downloads with a clock that the tests turn: nothing here depends on how fast the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from models.data import download
from models.data.download import downloaded
from models.errors import Interrupted
from tests.support.runs import Recorder

UNTIL_TOLD = """
import pathlib, sys, time
told = pathlib.Path(sys.argv[1], "go")
while not told.exists():
    time.sleep(0.005)
"""
"""A download that goes on until a file appears, which the tests make or do not make."""


class Clock:
    """Stands in for the module `time`: sleeping moves it on, and little real time passes."""

    def __init__(self) -> None:
        self.now = 0.0
        self.stopped = False
        self.each: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        time.sleep(0.001)  # so that the other process gets on
        if not self.stopped:
            self.now += seconds
            self.each()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(download, "time", clock)
    return clock


def test_one_that_stalls_is_given_up(tmp_path: Path, clock: Clock) -> None:
    with downloaded(UNTIL_TOLD, tmp_path, Recorder(), stall_s=20) as found:
        assert found is None
    assert 20 < clock.now < 21
    assert list(tmp_path.iterdir()) == []


def test_one_that_moves_is_waited_for(tmp_path: Path, clock: Clock) -> None:
    def arrive() -> None:
        """A file every fifteen seconds; after a minute the end, for which time stands still."""
        (directory,) = tmp_path.iterdir()
        (directory / f"part-{clock.now // 15:.0f}").write_text("x")
        if clock.now > 60:
            clock.stopped = True
            (directory / "go").touch()

    clock.each = arrive
    with downloaded(UNTIL_TOLD, tmp_path, Recorder(), stall_s=20) as found:
        assert found is not None
        assert len(list(found.glob("part-*"))) == 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_one_that_never_ends_is_given_up_though_it_moves(tmp_path: Path, clock: Clock) -> None:
    def trickle() -> None:
        (directory,) = tmp_path.iterdir()
        (directory / f"part-{clock.now // 15:.0f}").write_text("x")

    clock.each = trickle
    with downloaded(UNTIL_TOLD, tmp_path, Recorder(), stall_s=20) as found:
        assert found is None
    assert clock.now > download.LIMIT_S


def test_a_run_that_is_told_to_stop_does_not_wait(tmp_path: Path, clock: Clock) -> None:
    stop = Recorder(interrupt_at=3, reason="cancel")
    with (
        pytest.raises(Interrupted, match="cancel"),
        downloaded(UNTIL_TOLD, tmp_path, stop),
    ):
        pass
    assert clock.now < 1
    assert list(tmp_path.iterdir()) == []


def test_what_goes_wrong_with_the_files_leaves_nothing_either(tmp_path: Path) -> None:
    def move() -> None:
        with downloaded("", tmp_path, Recorder()) as found:
            assert found is not None
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        move()
    assert list(tmp_path.iterdir()) == []
