"""The same as `supervisor`, for latency benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import structlog

from services.benchmark_runs import BenchmarkClaim, Measured
from services.errors import NotFound
from services.logging import bound
from workers.keeper import LEASE, Keeper
from workers.lease import BenchmarkLease, LeaseLost
from workers.messages import LAST_WORDS, BenchmarkSpec, Message
from workers.process import Exit, TrainerProcess
from workers.station import Station

log: Any = structlog.get_logger(__name__)


class BenchmarkSupervisor:
    def __init__(self, station: Station) -> None:
        self._station = station

    def run(self, benchmark_id: str) -> None:
        """Make a benchmark, if it is still to be made."""
        runs, worker = self._station.container.benchmark_runs, self._station.worker
        with bound(benchmark_id=benchmark_id):
            self._station.take_up(lambda: runs.claim(benchmark_id, worker), self._measure)

    def _measure(self, claim: BenchmarkClaim, trainer: TrainerProcess, claimed_at: float) -> None:
        container = self._station.container
        lease = BenchmarkLease(container.benchmark_runs, claim)
        name = f"{claim.grip.id}-{claim.grip.token}"
        with Keeper(lease, trainer, container.settings, claimed_at) as keeper:
            try:
                with (
                    self._station.workdirs.make(name) as workdir,
                    self._station.runs.hold(claim.grip.id, trainer, saves=False),
                ):
                    BenchmarkRun(self._station, claim, trainer, keeper).run(workdir)
            except LeaseLost:
                self._station.metrics.lease_lost("benchmark")
                log.warning("lease_lost")
            except Exception:
                log.exception("benchmark_abandoned")


class BenchmarkRun:
    def __init__(
        self, station: Station, claim: BenchmarkClaim, trainer: TrainerProcess, keeper: Keeper
    ) -> None:
        self._container = station.container
        self._claim = claim
        self._trainer = trainer
        self._keeper = keeper
        self._runs = station.container.benchmark_runs
        self._measured: Measured | None = None

    def run(self, workdir: Path) -> None:
        """Raises `LeaseLost`."""
        try:
            spec = self._spec(workdir)
        except NotFound as error:
            self._fail(error.code, error.detail)
            return
        self._trainer.start(spec)
        self._end(self._listen())

    def _spec(self, workdir: Path) -> BenchmarkSpec:
        """Raises `NotFound` where the version or a file of it is gone."""
        benchmark, settings = self._claim.benchmark, self._container.settings
        registry = self._container.registry
        version = registry.version(benchmark.model, str(benchmark.version)).row
        return BenchmarkSpec(
            benchmark_id=benchmark.id,
            version_dir=str(registry.directory(version)),
            signature=version.signature,
            workdir=str(workdir),
            tuning_dir=str(settings.tuning_dir),
            tune_budget_s=settings.tune_budget_s,
            compiles=settings.aot,
            **benchmark.request,
        )

    def _listen(self) -> Message | Exit:
        while True:
            message = self._trainer.next()
            if isinstance(message, Exit):
                return message
            if message is None:
                continue
            match message["type"]:
                case "benchmark":
                    self._measured = Measured(
                        results=message["results"],
                        environment=message["environment"],
                        winners=message["winners"],
                        host=self._container.host,
                        plot=Path(message["plot"]),
                    )
                case "trace":
                    log.warning("benchmark_failed", traceback=message["text"])
                case last if last in LAST_WORDS:
                    return message
                case _:
                    log.info("trainer_said", **message)

    def _end(self, last: Message | Exit) -> None:
        measured = self._measured
        if isinstance(last, Exit):
            if last.why == LEASE:
                raise LeaseLost
            self._retry("the trainer that ran it ended before it was done")
        elif last["type"] == "done" and measured is not None:
            if not self._keeper.insist(lambda: self._runs.succeed(self._claim, measured)):
                raise LeaseLost
            log.info("benchmark_ended")
        else:
            code = last.get("code", "internal")
            self._fail(code, last.get("message", "the trainer ended without a result"))

    def _fail(self, code: str, message: str) -> None:
        log.warning("benchmark_failed", code=code, reason=message)
        if not self._keeper.insist(lambda: self._runs.fail(self._claim, code, message)):
            raise LeaseLost

    def _retry(self, reason: str) -> None:
        log.warning("benchmark_interrupted", reason=reason)
        if not self._keeper.insist(lambda: self._runs.retry(self._claim, reason)):
            raise LeaseLost
