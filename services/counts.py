"""How many jobs and benchmarks are in which state, for the metrics.

Those that have not ended are few, and counted by an index at each scrape. Those that have are ever
more: they are counted in the background.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping

import structlog
from sqlalchemy import func, select

from services import leases
from services.db.engine import Database
from services.db.tables import Benchmark, Job
from services.errors import Unavailable
from services.job_state import TERMINAL, JobStatus
from services.queue import QUEUES, QueueName, queue_for

UNFINISHED = frozenset(JobStatus) - TERMINAL
SHARE = 0.01
"""The most of the time that counting what has ended may take."""
PAUSE_S = 1.0
"""The least time between two such counts."""
PATIENCE_S = 0.2
"""How long a scrape waits for the first of them."""

log = structlog.get_logger(__name__)


def by_status(
    db: Database, table: type[Job] | type[Benchmark], states: Collection[JobStatus] = UNFINISHED
) -> dict[JobStatus, int]:
    """Each of `states`, those without any row too. Takes as long as there are rows in them."""
    with db.read() as session:
        found = session.execute(
            select(table.status, func.count())
            .where(table.status.in_(sorted(states)))
            .group_by(table.status)
        ).all()
    counts = dict.fromkeys(sorted(states), 0)
    return counts | {JobStatus(status): count for status, count in found}


def queued_jobs(db: Database) -> dict[QueueName, int]:
    """Those that wait for a worker, by the queue that their message is in."""
    with db.read() as session:
        found = session.execute(
            select(Job.device, func.count())
            .where(Job.status == JobStatus.QUEUED)
            .group_by(Job.device)
        ).all()
    counts: dict[QueueName, int] = dict.fromkeys(QUEUES, 0)
    for device, count in found:
        counts[queue_for(device)] += count
    return counts


def lapsed_jobs(db: Database) -> int:
    """Those whose worker has fallen silent, and that no sweeper has seen to yet."""
    with db.read() as session:
        lapsed = leases.lapsed(Job, db.now(session))
        return session.scalar(select(func.count()).select_from(Job).where(lapsed)) or 0


class FinishedCounts:
    """Rows that have ended, by state, as of a while ago: the more there are, the longer ago."""

    def __init__(self, db: Database, table: type[Job] | type[Benchmark]) -> None:
        self._db = db
        self._table: type[Job] | type[Benchmark] = table
        self._lock = threading.Lock()
        self._counts: Mapping[JobStatus, int] = {}
        self._thread: threading.Thread | None = None
        self._due = 0.0

    def latest(self) -> Mapping[JobStatus, int]:
        """Empty while the first count is not done. Has the next one begun when it is time."""
        with self._lock:
            if self._thread is None and time.monotonic() >= self._due:
                self._thread = threading.Thread(target=self._count, name="counts", daemon=True)
                self._thread.start()
            thread = self._thread
        if thread is not None and not self._counts:
            thread.join(PATIENCE_S)
        return self._counts

    def _count(self) -> None:
        began = time.monotonic()
        try:
            self._counts = by_status(self._db, self._table, TERMINAL)
        except Unavailable as error:
            log.warning("jobs_not_counted", reason=error.detail)
        finally:
            now = time.monotonic()
            self._due = now + max(PAUSE_S, (now - began) / SHARE)
            self._thread = None
