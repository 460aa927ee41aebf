"""The lock on a data directory: one `torchkiln up` at a time, and nothing left of the one before.

Two files, each under `flock`, which the kernel lets go of when its last holder dies:

- `up.lock` is held by `up` alone. Held: another `up` runs here.
- `children.lock` is inherited by every child. Held while `up.lock` is free: `up` was killed hard,
  and what it had started lives on. These orphans are stopped.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from torchkiln.errors import CannotRun

TERM_GRACE_S = 10.0
KILL_GRACE_S = 10.0
POLL_S = 0.1


class LockFile:
    """A file that exists while it is locked, and may be left behind without harm."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    @property
    def fd(self) -> int:
        if self._fd is None:
            raise RuntimeError(f"{self.path} is not locked")
        return self._fd

    def acquire(self) -> bool:
        """Take the lock if it is free, and write this process's id into the file."""
        while True:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                return False
            if self._is_current(fd):
                break
            os.close(fd)  # its owner removed the file while it was being opened here
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd
        return True

    def release(self) -> None:
        if self._fd is not None:
            self.path.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = None

    def _is_current(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), self.path.stat())
        except FileNotFoundError:
            return False


class DataDirLock:
    def __init__(self, data_dir: Path) -> None:
        self._own = LockFile(data_dir / "up.lock")
        self._children = LockFile(data_dir / "children.lock")

    @property
    def inherited_fd(self) -> int:
        """What every child has to be given."""
        return self._children.fd

    def acquire(self) -> list[int]:
        """Take the lock. → the ids of the orphans that had to be stopped for it.

        Raises `CannotRun`, naming the process, if another `up` has it.
        """
        if not self._own.acquire():
            raise CannotRun(
                f"another `torchkiln up` (pid {_owner(self._own.path)}) already runs on "
                f"{self._own.path.parent}; stop it, or give this one another --data-dir"
            )
        try:
            return [] if self._children.acquire() else self._stop_orphans()
        except BaseException:
            self._own.release()
            raise

    def release(self) -> None:
        """Give the lock back and remove its files."""
        self._children.release()
        self._own.release()

    def _stop_orphans(self) -> list[int]:
        stopped: set[int] = set()
        for kind, grace_s in ((signal.SIGTERM, TERM_GRACE_S), (signal.SIGKILL, KILL_GRACE_S)):
            orphans = _holders(self._children.path)
            for pid in orphans:
                _signal(pid, kind)
            stopped.update(orphans)
            deadline = time.monotonic() + grace_s
            while time.monotonic() < deadline:
                if self._children.acquire():
                    return sorted(stopped)
                time.sleep(POLL_S)
        raise CannotRun(
            f"processes of an earlier `torchkiln up` still run on {self._own.path.parent} and do "
            f"not stop: {', '.join(map(str, sorted(stopped))) or 'their ids are not known'}"
        )


def _owner(path: Path) -> str:
    """Only for a message: the file may be gone, or not written yet."""
    try:
        return path.read_text().strip() or "unknown"
    except FileNotFoundError:
        return "unknown"


def _holders(path: Path) -> set[int]:
    """The processes, other than this one, that have the file open."""
    pids = _by_proc(path) if Path("/proc/self/fd").is_dir() else _by_lsof(path)
    return pids - {os.getpid()}


def _by_proc(path: Path) -> set[int]:
    target = path.resolve()
    found: set[int] = set()
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        with suppress(OSError):  # it has just ended, or is another user's
            if any(fd.readlink() == target for fd in (process / "fd").iterdir()):
                found.add(int(process.name))
    return found


def _by_lsof(path: Path) -> set[int]:
    lsof = shutil.which("lsof")
    if lsof is None:
        return set()
    done = subprocess.run([lsof, "-t", "--", str(path)], capture_output=True, check=False)  # noqa: S603 - our own path
    return {int(word) for word in done.stdout.split()}


def _signal(pid: int, kind: signal.Signals) -> None:
    """To the whole group where the process leads one, as every child of `up` does."""
    with suppress(ProcessLookupError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, kind)
        else:
            os.kill(pid, kind)
