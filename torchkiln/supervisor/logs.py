"""The children's log files: rotated at start, read back when something went wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

ROTATE_BYTES = 10 * 2**20
KEPT = 3
"""Older logs that are kept, as `.1` (the youngest) to `.3`."""


def rotate(log: Path) -> None:
    """Start a new file if the log has grown large."""
    if not log.exists() or log.stat().st_size < ROTATE_BYTES:
        return
    for number in range(KEPT - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    log.replace(log.with_name(f"{log.name}.1"))


def tail(log: Path, lines: int = 20, *, since: int = 0) -> list[str]:
    """The last lines of a log, of those behind the offset `since`; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(since, file.tell() - 256 * lines))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-lines:]


class Follower:
    """Hands on what is appended to logs, line by line, each with the name of its log before it."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._places: dict[Path, int] = {}

    def add(self, log: Path) -> None:
        """Follow a log from its present end."""
        self._places.setdefault(log, log.stat().st_size if log.exists() else 0)

    def pump(self) -> None:
        """Hand on every whole line that came since the last call."""
        for log, place in self._places.items():
            if not log.exists():
                continue
            with log.open("rb") as file:
                begin = place if place <= log.stat().st_size else 0  # rotated
                file.seek(begin)
                text = file.read()
            whole = text.rfind(b"\n") + 1
            self._places[log] = begin + whole
            for line in text[:whole].decode(errors="replace").splitlines():
                self._write(f"{log.stem:>8} | {line}")
