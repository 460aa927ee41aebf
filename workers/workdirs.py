"""Directories that attempts work in, removed when they end or, at the latest, when the next worker
of the host starts."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


class WorkDirs:
    """A worker's part of the work directory, beside a lock that goes when the worker goes."""

    def __init__(self, root: Path, worker: str) -> None:
        root.mkdir(parents=True, exist_ok=True)
        for lock in root.glob("*.lock"):
            _remove_if_left(lock)
        self._own = root / worker
        self._lock_file = self._own.with_name(f"{worker}.lock")
        self._lock = _lock(self._lock_file)
        self._own.mkdir()

    @contextmanager
    def make(self, name: str) -> Generator[Path]:
        """A new empty directory, gone with all that is in it after the block."""
        directory = self._own / name
        directory.mkdir()
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def touch(self) -> None:
        """A sign of life, for `services.probe`."""
        os.utime(self._lock)

    def close(self) -> None:
        _remove(self._lock_file)
        os.close(self._lock)


def _lock(file: Path) -> int:
    """Make `file` and lock it. → its descriptor.

    Another worker that starts may remove it before it is locked; then it is made again.
    """
    while True:
        descriptor = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if file.exists() and file.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
        os.close(descriptor)


def _remove_if_left(lock_file: Path) -> None:
    """Remove another worker's directory unless that worker lives, which its lock shows."""
    try:
        lock = os.open(lock_file, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(lock_file)
    except BlockingIOError:
        pass
    finally:
        os.close(lock)


def _remove(lock_file: Path) -> None:
    shutil.rmtree(lock_file.with_name(lock_file.name.removesuffix(".lock")), ignore_errors=True)
    lock_file.unlink(missing_ok=True)
