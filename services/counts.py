"""How many jobs are in which state, for the metrics."""

from __future__ import annotations

from sqlalchemy import func, select

from services.db.engine import Database
from services.db.tables import Benchmark, Job
from services.job_state import JobStatus


def by_status(db: Database, table: type[Job] | type[Benchmark]) -> dict[JobStatus, int]:
    """Every state, those without any row too."""
    with db.read() as session:
        found = session.execute(select(table.status, func.count()).group_by(table.status)).all()
    counts = dict.fromkeys(JobStatus, 0)
    return counts | {JobStatus(status): count for status, count in found}
