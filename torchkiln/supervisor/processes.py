"""Child processes that cannot outlive their parent, and the parent's book of them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from torchkiln.supervisor import logs

# linux/prctl.h
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Program:
    """What to run, and where its words go."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    grace_s: float = 15.0
    """How long it may take to stop before it is killed."""


@dataclass
class Child:
    """A program, and its process if it runs."""

    program: Program
    pid: int | None = None
    status: int | None = None
    """The last exit status; negative is the signal that ended it."""
    started_at: float = 0.0
    log_start: int = 0
    """Where in the log this run's words begin."""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return self.program.name

    def start(self, inherited_fd: int) -> None:
        """Start the process, in a group of its own. Raises `OSError`."""
        log = self.program.log
        logs.rotate(log)
        with log.open("ab") as output:
            self.log_start = output.tell()
            self._process = spawn(self.program, output.fileno(), inherited_fd)
        self.pid = self._process.pid
        self.status = None
        self.started_at = time.monotonic()

    def ended(self, wait_status: int) -> None:
        """Note what `waitpid` told. Whatever else is in the group goes with its leader."""
        self.signal(signal.SIGKILL)
        self.status = os.waitstatus_to_exitcode(wait_status)
        if self._process is not None:
            self._process.returncode = self.status
        self.pid = None

    def signal(self, kind: signal.Signals) -> None:
        """Signal the whole group, if there is one."""
        if self.pid is not None:
            with suppress(ProcessLookupError, PermissionError):  # macOS: all of it are zombies
                os.killpg(self.pid, kind)

    def end(self) -> str:
        """How the last run ended, in words."""
        status = self.status or 0
        if status >= 0:
            return f"stopped with status {status}"
        try:
            return f"was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"was ended by signal {-status}"

    def said(self) -> list[str]:
        """The last lines that this run wrote to the log."""
        return logs.tail(self.program.log, since=self.log_start)


def spawn(program: Program, output: int, inherited_fd: int) -> subprocess.Popen[bytes]:
    """Start a process that the kernel kills when this thread dies (Linux)."""
    return subprocess.Popen(  # noqa: S603 - our own command
        program.command,
        env=program.env,
        cwd=program.cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=(inherited_fd,),
        preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - there are no threads here
    )


def die_with_parent(kind: signal.Signals) -> Callable[[], None]:
    """What a child calls before it becomes the program: get `kind` when the parent dies.

    For a parent with a single thread: the kernel watches the thread that called fork.
    """
    parent = os.getpid()

    def ask() -> None:
        if _LIBC is None:
            return
        _LIBC.prctl(PR_SET_PDEATHSIG, int(kind), 0, 0, 0)
        if os.getppid() != parent:  # it died before it could be watched
            os._exit(1)

    return ask


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent dies, so that none is lost (Linux)."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap(children: Sequence[Child]) -> None:
    """Collect every process that has ended: `children`, and orphans that were adopted.

    Nobody else in this process may wait for children.
    """
    by_pid = {child.pid: child for child in children if child.pid is not None}
    with suppress(ChildProcessError):  # there is none at all
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid in by_pid:
                by_pid[pid].ended(status)


def descendants_left() -> list[int]:
    """The direct children of this process that still run, adopted ones included (Linux)."""
    me = str(os.getpid())
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # "pid (name) state ppid …", and the name may hold anything
            fields = stat.read_text().rpartition(")")[2].split()
            if fields[1] == me:
                found.append(int(stat.parent.name))
    return found


def kill(pids: Sequence[int], kind: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, kind)
