"""A server that runs, has given right answers, and is gone afterwards."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.asking import Failed, check
from benchmarks.serving.kiln import Kiln
from benchmarks.serving.models import CHECKED, Model
from benchmarks.serving.processes import Processes
from benchmarks.serving.servers.base import Request, Server, Site
from torchkiln.supervisor.ports import free_port

MORE_PORTS = 3
PAUSE_S = 0.01
KEPT = ("PATH", "HOME", "LANG", "JAVA_HOME")
"""Of the environment; the rest might set something for one server and not for another."""


@dataclass(frozen=True)
class Running:
    server: Server
    site: Site
    processes: Processes
    start_s: float
    """From the start of the processes to the first right answer."""

    def request(self, wire: str) -> Request:
        """The one that is timed."""
        return self.server.wires[wire].request(self.site, self.site.model.rows[0])

    def answer_bytes(self, wire: str) -> int:
        """Of the body of its answer."""
        return len(check(self.site, self.server.wires[wire], 0).body)


@dataclass(frozen=True)
class Bench:
    """What does not change from one server to the next."""

    kiln: Kiln
    directory: Path
    """For the servers' own directories and logs."""


@contextmanager
def running(
    server: Server, python: Path, model: Model, bench: Bench, *, workers: int, cores: str
) -> Generator[Running]:
    """Start `server` on `cores` and wait until each of its wires has answered rightly.

    Raises `Failed`, with the end of what the server printed.
    """
    directory = bench.directory / server.name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    port, *more = (free_port() for _ in range(1 + MORE_PORTS))
    site = Site(model, workers, port, more, python, directory, bench.kiln)
    log = directory.with_suffix(".log")
    log.unlink(missing_ok=True)
    launch = server.launch(site)
    base = {name: os.environ[name] for name in KEPT if name in os.environ}
    began = time.monotonic()
    processes = Processes(
        launch.commands, cores=cores, env=base | dict(launch.env), cwd=directory, log=log
    )
    try:
        first = next(iter(server.wires.values()))
        _wait(lambda: check(site, first, 0), processes, server.start_limit_s)
        started = Running(server, site, processes, time.monotonic() - began)
        for wire in server.wires.values():
            for row in range(CHECKED):
                check(site, wire, row)
        yield started
    except Failed as error:
        raise Failed(f"{error}{_said(log)}") from None
    finally:
        processes.stop()


def _wait(attempt: Callable[[], object], processes: Processes, limit_s: float) -> None:
    """Until `attempt` no longer raises `Failed`. Raises it if it does to the end."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            attempt()
            return
        except Failed as error:
            ended = processes.ended()
            if ended:
                raise Failed(ended) from None
            if time.monotonic() > deadline:
                raise Failed(f"no right answer in {limit_s:.0f} s: {error}") from None
        time.sleep(PAUSE_S)


def _said(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    lines = [line for line in lines if len(line) > 1]
    return f"; it printed: {' / '.join(lines[-3:])[-400:]}" if lines else ""
