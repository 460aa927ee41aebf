"""One turn of one server: start, check, warm up, load, and what it cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from benchmarks.serving import h2load, openloop_run, wrk
from benchmarks.serving.load import Load, LoadFailed
from benchmarks.serving.plan import MOST, WARM_UP_CONNECTIONS, WARM_UP_S, Turn
from benchmarks.serving.results import CLOSED, OPEN, Case, Failure, Results, Sample, Start
from benchmarks.serving.running import Running
from benchmarks.serving.servers.base import GRPC, HOST

OPEN_SHARE = 0.5
"""Of what the closed loop reached with as many connections: busy, but not overloaded."""
FASTEST_RATE = 15_000.0
"""Requests a second; the open loop's own limit, which is a Python program's."""


def measure(turn: Turn, running: Running, seconds: int, results: Results) -> None:
    """Add to `results` what `running` does under every load of its part."""
    for wire in running.server.wires:
        UnderLoad(turn, running, wire, seconds, results).measure()
    memory = running.processes.memory()
    results.starts.append(
        Start(
            turn.part.name,
            turn.model,
            turn.server.name,
            turn.workers,
            turn.round,
            running.start_s,
            memory.rss,
            memory.pss,
            len(running.processes.pids()),
        )
    )


class UnderLoad:
    """One wire of a server. A load that fails is noted, and the next one is tried."""

    def __init__(
        self, turn: Turn, running: Running, name: str, seconds: int, results: Results
    ) -> None:
        self._turn = turn
        self._running = running
        self._name = name
        self._seconds = seconds
        self._results = results
        wire = running.server.wires[name]
        self._grpc = wire.protocol == GRPC
        self._port = wire.port(running.site)
        self._request = running.request(name)

    def measure(self) -> None:
        """Every load of the turn's part."""
        if not self.warm_up():
            return
        part = self._turn.part
        for connections in part.levels:
            self.closed(connections)
        if self._turn.model in part.open_loop and not self._grpc:
            self._open_loop()

    def warm_up(self) -> bool:
        """→ whether it has taken the load."""
        try:
            self._closed(WARM_UP_CONNECTIONS, WARM_UP_S)
        except LoadFailed as error:
            self._note("warm-up", error)
            return False
        return True

    def closed(self, connections: int) -> None:
        self._sample(CLOSED, connections, lambda: self._closed(connections, self._seconds))

    def _open_loop(self) -> None:
        reached = self._results.median(self._case(CLOSED, MOST), "requests_per_s")
        if reached is not None:
            rate = min(reached * OPEN_SHARE, FASTEST_RATE)
            self._sample(OPEN, MOST, lambda: self._open(rate))

    def _sample(self, loop: str, connections: int, load: Callable[[], Load]) -> None:
        before = self._running.processes.cpu_s()
        try:
            found = load()
        except LoadFailed as error:
            self._note(f"{loop} loop, {connections} connections", error)
            return
        cpu_ms = 1e3 * (self._running.processes.cpu_s() - before) / found.requests
        sample = Sample(
            self._case(loop, connections), self._turn.round, **asdict(found), cpu_ms=cpu_ms
        )
        self._results.samples.append(sample)

    def _closed(self, connections: int, seconds: int) -> Load:
        url, cores = f"http://{HOST}:{self._port}", self._turn.part.load_cores
        if self._grpc:
            return h2load.run(
                url,
                self._request,
                connections=connections,
                seconds=seconds,
                cores=cores,
                answer_bytes=self._running.answer_bytes(self._name),
            )
        return wrk.run(url, self._request, connections=connections, seconds=seconds, cores=cores)

    def _open(self, rate: float) -> Load:
        return openloop_run.run(
            self._port,
            self._request,
            connections=MOST,
            rate=rate,
            seconds=self._seconds,
            cores=self._turn.part.load_cores,
        )

    def _case(self, loop: str, connections: int) -> Case:
        turn = self._turn
        return Case(
            turn.part.name,
            turn.model,
            turn.server.name,
            self._name,
            turn.workers,
            loop,
            connections,
        )

    def _note(self, where: str, error: LoadFailed) -> None:
        self._results.failures.append(
            Failure(
                self._turn.server.name, f"{self._turn.title}, {self._name}, {where}", str(error)
            )
        )
