"""Latency benchmarks of a version's backends, run by a worker of the service."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from torchkiln.client.patience import Patience
from torchkiln.client.transport import Transport, path
from torchkiln.errors import TimedOut, TorchkilnError
from torchkiln.types import Benchmark

OVER = frozenset({"succeeded", "failed"})
POLL_S = 0.5


class Benchmarks:
    """`client.benchmarks`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def submit(
        self,
        model: str,
        *,
        version: int | str | None = None,
        backends: Sequence[str] | None = None,
        batch_sizes: Sequence[int] | None = None,
        threads: int | None = None,
        min_time_s: float | None = None,
    ) -> Benchmark:
        """Queue a benchmark; what is None is left to the service.

        `version` is a number or an alias (the champion by default); `min_time_s` is how long each
        backend is timed at each batch size, at least.
        """
        body = {
            "model": model,
            "version": None if version is None else _number(version),
            "backends": None if backends is None else list(backends),
            "batch_sizes": None if batch_sizes is None else list(batch_sizes),
            "threads": threads,
            "min_time_s": min_time_s,
        }
        given = {key: value for key, value in body.items() if value is not None}
        return cast(Benchmark, self._transport.post("/v1/benchmarks", given))

    def get(self, benchmark_id: str) -> Benchmark:
        return cast(Benchmark, self._transport.get(path("v1", "benchmarks", benchmark_id)))

    def list(self, *, limit: int | None = None, after: str | None = None) -> list[Benchmark]:
        found = self._transport.get("/v1/benchmarks", limit=limit, after=after)
        return cast(list[Benchmark], found["data"])

    def wait(
        self, benchmark_id: str, *, timeout_s: float | None = None, patience_s: float = 60.0
    ) -> Benchmark:
        """The benchmark once it has ended, well or not. Raises `TimedOut` after `timeout_s`."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        patience = Patience(patience_s)
        while True:
            try:
                benchmark = self.get(benchmark_id)
            except TorchkilnError as error:
                patience.failed(error)
                continue
            patience.succeeded()
            if benchmark["status"] in OVER:
                return benchmark
            if deadline is not None and time.monotonic() >= deadline:
                raise TimedOut(
                    f"benchmark {benchmark_id} is still {benchmark['status']} after {timeout_s} s"
                )
            time.sleep(POLL_S)

    def download_plot(self, benchmark_id: str, target: Path) -> Path:
        """Fetch the benchmark's plot, a PNG, into the file `target`."""
        return self._transport.download(path("v1", "benchmarks", benchmark_id, "plot.png"), target)


def _number(version: int | str) -> int | str:
    """A number given as text is a number: the service takes aliases as strings only."""
    return int(version) if isinstance(version, str) and version.isdecimal() else version
