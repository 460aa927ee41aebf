"""A server's processes: started on their cores, found with all their children, ended with them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
GRACE_S = 10.0
PROC = Path("/proc")


@dataclass(frozen=True)
class Memory:
    """MiB over all processes. RSS counts shared pages once a process, PSS once in all."""

    rss: float
    pss: float


@dataclass(frozen=True)
class _Stat:
    parent: int
    session: int
    cpu_s: float


class Processes:
    """What a server was started as, and everything that descends from it."""

    def __init__(
        self,
        commands: Sequence[Sequence[str]],
        *,
        cores: str,
        env: Mapping[str, str],
        cwd: Path,
        log: Path,
    ) -> None:
        """Start each of `commands` on `cores` (as taskset takes them), in a session of its own.
        What they print goes to the end of `log`."""
        self._seen: set[int] = set()
        with log.open("ab") as output:
            self._roots = [
                subprocess.Popen(
                    ["taskset", "-c", cores, *command],
                    env=dict(env),
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
                for command in commands
            ]

    def ended(self) -> str | None:
        """How one of the started processes has ended; None while all of them run."""
        for root in self._roots:
            if root.poll() is not None:
                return f"process {root.pid} ended with {root.returncode}"
        return None

    def pids(self) -> set[int]:
        """Those alive now. One that was once seen stays known after its parent has gone."""
        stats = _all_stats()
        roots = {root.pid for root in self._roots}
        known = (self._seen & stats.keys()) | roots
        while True:
            more = {
                pid
                for pid, stat in stats.items()
                if stat.parent in known or stat.session in roots or pid in known
            }
            if more <= known:
                break
            known |= more
        self._seen = known
        return known & stats.keys()

    def cpu_s(self) -> float:
        """User and system time of all that are alive."""
        stats = _all_stats()
        return sum(stats[pid].cpu_s for pid in self.pids() if pid in stats)

    def memory(self) -> Memory:
        found = [_memory(pid) for pid in self.pids()]
        return Memory(sum(one.rss for one in found), sum(one.pss for one in found))

    def stop(self) -> None:
        """Ask politely, then kill; nothing is left when this returns."""
        pids = self.pids()
        for root in self._roots:
            _signal(root.pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_S
        while time.monotonic() < deadline and any(root.poll() is None for root in self._roots):
            time.sleep(0.05)
        for pid in pids | self.pids():
            _signal(pid, signal.SIGKILL)
        for root in self._roots:
            root.wait()


def _signal(pid: int, kind: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, kind)


def _all_stats() -> dict[int, _Stat]:
    found: dict[int, _Stat] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                found[int(entry.name)] = _stat((entry / "stat").read_text())
    return found


def _stat(text: str) -> _Stat:
    """proc_pid_stat(5); the second field is a name in parentheses that may hold anything."""
    fields = text[text.rindex(")") + 2 :].split()
    return _Stat(int(fields[1]), int(fields[3]), (int(fields[11]) + int(fields[12])) / TICKS)


def _memory(pid: int) -> Memory:
    values = {"Rss": 0, "Pss": 0}
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in values:
                values[name] = int(rest.split()[0])
    return Memory(values["Rss"] / 1024, values["Pss"] / 1024)
