"""What keeps accepted work from being forgotten. Any number of sweepers may run at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import ColumnElement, select, true, update

from services import leases
from services.attempts import Attempts
from services.benchmark_runs import BenchmarkRuns
from services.claims import Claim
from services.db.engine import Database
from services.db.tables import Attempt, Benchmark, Job
from services.errors import Unavailable
from services.job_state import JobStatus, Outcome
from services.leases import Grip, Work
from services.queue import Queue
from services.settings import Settings

WAITING_WAKE_UPS = 100
"""Messages in a queue from which on none is sent again: workers that are busy will come to these,
and each sweep would add to them. The most urgent are sent first, the oldest of them."""

log: Any = structlog.get_logger(__name__)


@dataclass(frozen=True)
class SweepReport:
    lost: int
    """Attempts whose lease had lapsed."""
    woken: int
    """Wake-up messages sent again."""
    pipelines: Sequence[str] = ()
    """Of the jobs among those that were lost."""


class Sweeper:
    def __init__(
        self,
        db: Database,
        queue: Queue,
        attempts: Attempts,
        benchmark_runs: BenchmarkRuns,
        settings: Settings,
    ) -> None:
        self._db = db
        self._queue = queue
        self._attempts = attempts
        self._benchmark_runs = benchmark_runs
        self._settings = settings

    def sweep(self) -> SweepReport:
        pipelines = self._end_lapsed_jobs()
        lost = len(pipelines) + self._benchmark_runs.end_lapsed()
        return SweepReport(lost, self._wake_all(), pipelines)

    def _wake_all(self) -> int:
        """Send again what is due, if the broker answers: each message to one that is out of reach
        takes seconds to fail, and leases have to be swept meanwhile."""
        try:
            waiting = self._queue.waiting()
        except Unavailable:  # which the consumer has told already
            return 0
        room = {queue: WAITING_WAKE_UPS - count for queue, count in waiting.items()}
        on_gpu, urgency = Job.device.startswith("cuda"), [Job.priority.desc(), Job.created_at.asc()]
        sent = 0
        for which, most in ((on_gpu, room["gpu"]), (~on_gpu, room["cpu"])):
            sent += self._wake(Job, which, urgency, self._queue.wake_job, most)
        oldest, wake = [Benchmark.created_at.asc()], self._queue.wake_benchmark
        return sent + self._wake(Benchmark, true(), oldest, wake, room["cpu"])

    def _end_lapsed_jobs(self) -> list[str]:
        """→ their pipelines."""
        with self._db.read() as session:
            now = self._db.now(session)
            rows = session.execute(
                select(Job, Attempt)
                .join(Attempt, (Attempt.job_id == Job.id) & (Attempt.token == Job.token))
                .where(leases.lapsed(Job, now))
            ).all()
        return [job.pipeline for job, attempt in rows if self._end(job, attempt) is not None]

    def _end(self, job: Job, attempt: Attempt) -> JobStatus | None:
        claim = Claim(job, Grip(job.id, job.token), attempt.number, attempt.started_at)
        status = self._attempts.finish(
            claim,
            Outcome.LOST,
            message=f"the worker {attempt.worker} has not been heard of for "
            f"{self._settings.lease_s:g} s",
            only_lapsed=True,
        )
        if status is not None:
            log.warning("attempt_lost", job_id=job.id, attempt=attempt.number, job_status=status)
        return status

    def _wake(
        self,
        table: type[Work],
        which: ColumnElement[bool],
        order: Sequence[ColumnElement[Any]],
        wake: Callable[[Work], None],
        most: int,
    ) -> int:
        if most <= 0:
            return 0
        with self._db.write() as session:
            now = self._db.now(session)
            rows = session.scalars(
                select(table)
                .where(leases.unclaimed(table, now, self._settings.resend_after_s), which)
                .order_by(*order)
                .limit(most)
            ).all()
            session.execute(
                update(table)
                .where(table.id.in_([row.id for row in rows]), table.status == JobStatus.QUEUED)
                .values(woken_at=now)
                .execution_options(synchronize_session=False)
            )
        for row in rows:
            wake(row)
        return len(rows)
