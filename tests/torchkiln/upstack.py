"""`torchkiln up` as a process under test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

DEADLINE_S = 120.0
READY = "torchkiln is ready at "


def _hear_hangups() -> None:
    """As from a terminal: under `nohup make test` it would inherit being deaf to SIGHUP."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Up:
    """One `torchkiln up` of a checkout. What it says is in `output` and `errors`."""

    def __init__(self, root: Path, data_dir: Path, *options: str, **env: str) -> None:
        self.data_dir = data_dir
        data_dir.mkdir(parents=True, exist_ok=True)
        self._output = data_dir.with_name(f"{data_dir.name}.{time.monotonic_ns()}.out")
        self._errors = self._output.with_suffix(".err")
        clean = {key: value for key, value in os.environ.items() if "TORCHKILN" not in key}
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "torchkiln", "up", "--data-dir", str(data_dir), *options],
                cwd=root,
                env=clean | {"TORCHKILN_PORT": "0", "TORCHKILN_DASHBOARD_PORT": "0"} | env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
                preexec_fn=_hear_hangups,  # noqa: PLW1509 - no threads run here yet
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def errors(self) -> str:
        return self._errors.read_text()

    def ready(self) -> str:
        """Wait for the ready line. → the address."""

        def said() -> bool:
            return READY in self.output or self.process.poll() is not None

        until(said, lambda: self.errors)
        assert READY in self.output, self.errors
        return self.output.removeprefix(READY).strip()

    def ended(self) -> int:
        """Wait for its end. → the exit status."""
        return self.process.wait(DEADLINE_S)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def rows(self) -> list[tuple[int, str]]:
        """Pid and command line of the direct children."""
        return [(pid, line) for ppid, pid, line in processes() if ppid == self.process.pid]

    def descendants(self) -> set[int]:
        """Every process below this one."""
        table = processes()
        found = {self.process.pid}
        while new := {pid for ppid, pid, _ in table if ppid in found} - found:
            found |= new
        return found - {self.process.pid}

    def children(self, words: str = "") -> list[int]:
        """The pids of the direct children whose command line has these words."""
        return [pid for pid, line in self.rows() if words in line]

    def child(self, words: str) -> int:
        """The pid of the one child whose command line has these words, once there is one."""
        found: list[int] = []

        def there() -> bool:
            found[:] = self.children(words)
            return len(found) == 1

        until(there, lambda: f"{words} in {self.rows()}")
        return found[0]

    def users(self) -> set[int]:
        """Every process that has to do with the data directory: by command line, environment,
        or an open file."""
        return users(self.data_dir)


def processes() -> list[tuple[int, int, str]]:
    """Parent, pid and command line of everything that runs."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "ppid=,pid=,args="], capture_output=True, text=True, check=True
    )
    split = [line.split(None, 2) for line in listed.stdout.splitlines()]
    return [(int(ppid), int(pid), line) for ppid, pid, line in split]


def users(data_dir: Path) -> set[int]:
    found: set[int] = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int(process.name) == os.getpid():
                continue
            about = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            files = [os.readlink(fd) for fd in (process / "fd").iterdir()]  # noqa: PTH115
        except OSError:
            continue
        if str(data_dir).encode() in about or any(str(data_dir) in file for file in files):
            found.add(int(process.name))
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def until(condition: Callable[[], object], tell: Callable[[], object] = str) -> None:
    """Wait for a condition, as long as anybody could have patience."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, tell()
        time.sleep(0.05)


Start = Callable[..., Up]
"""Starts an `up` with options and, by keyword, `data_dir` and environment variables."""
