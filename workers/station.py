"""What every piece of work of a worker is done with."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from services.container import Container
from services.errors import Unavailable
from services.settings import Settings
from workers.devices import Devices
from workers.metrics import Metrics
from workers.pool import TrainerPool
from workers.process import TrainerProcess
from workers.runs import Runs
from workers.workdirs import WorkDirs

log: Any = structlog.get_logger(__name__)

C = TypeVar("C")


@dataclass(frozen=True)
class Station:
    container: Container
    worker: str
    pool: TrainerPool
    devices: Devices
    workdirs: WorkDirs
    runs: Runs
    metrics: Metrics = field(default_factory=Metrics)

    def take_up(
        self,
        claim: Callable[[], C | None],
        work: Callable[[C, TrainerProcess, float], None],
    ) -> None:
        """Claim a piece of work and do it with a trainer that is warm before the claim is made.

        `work` is told the monotonic clock before the claim. Where there is nothing to claim, or
        the database does not answer, nothing happens: what waits is announced again.
        """
        trainer = self.pool.take()
        if trainer is None:
            return
        claimed_at = time.monotonic()
        try:
            held = claim()
        except Unavailable as error:
            log.warning("claim_failed", reason=error.detail)
            held = None
        if held is None:
            self.pool.put_back(trainer)
            return
        try:
            work(held, trainer, claimed_at)
        finally:
            self.pool.done(trainer)
            self.pool.refill()


def threads_per_job(settings: Settings) -> int:
    """The setting, or the cores that this process may use, divided by the slots."""
    if settings.threads_per_job:
        return settings.threads_per_job
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, cores // settings.job_slots)
