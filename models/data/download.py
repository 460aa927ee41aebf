"""Downloads by a library that has no time limit of its own, with one, and all or nothing.

The library runs in a process of its own, which can be ended at any moment, and writes to a
directory that is thrown away unless it finishes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from models.errors import Interrupted
from models.run import Reporter

STALL_S = 20.0
"""Without a new byte on disk for so long, there is no network worth waiting for. Covers the
library's own start, name resolution and connecting."""

LIMIT_S = 600.0
POLL_S = 0.1


@contextmanager
def downloaded(
    code: str, data_dir: Path, report: Reporter, *, stall_s: float = STALL_S
) -> Generator[Path | None]:
    """A directory with what `code` has downloaded, or None if it could not.

    `code` is Python that finds the directory to write to in `sys.argv[1]` and exits with 0 when all
    is there. The directory is inside `data_dir`, so that files can be moved out by renaming, and is
    gone afterwards. Raises `Interrupted` when the run is told to stop meanwhile.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=data_dir) as name:
        directory = Path(name)
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and a constant program
            [sys.executable, "-c", code, name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            done = _wait(process, directory, report, stall_s)
        finally:
            process.kill()
            process.wait()
        yield directory if done else None


def _wait(
    process: subprocess.Popen[bytes], directory: Path, report: Reporter, stall_s: float
) -> bool:
    """Whether the process ends well, while bytes keep coming."""
    began = grew = time.monotonic()
    size = 0
    while process.poll() is None:
        reason = report.interrupted()
        if reason is not None:
            raise Interrupted(reason)
        now, present = time.monotonic(), _size(directory)
        if present != size:
            size, grew = present, now
        if now - grew > stall_s or now - began > LIMIT_S:
            return False
        time.sleep(POLL_S)
    return process.returncode == 0


def _size(directory: Path) -> int:
    total = 0
    for path in directory.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # renamed or removed by the library since it was listed
            continue
    return total
