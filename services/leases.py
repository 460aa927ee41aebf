"""Work that one worker at a time may hold: claimed, kept and lost by guarded UPDATEs.

A claim raises the row's token; from then on every write carries it, so whoever held the work
before can write nothing more. Leases are counted by the database's clock.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Update, and_, update
from sqlalchemy.orm import Session

from services.db.tables import Benchmark, Job
from services.job_state import ACTIVE, JobStatus

Work = TypeVar("Work", Job, Benchmark)


@dataclass(frozen=True)
class Grip:
    """Proof of holding a piece of work: its id and the token of the claim."""

    id: str
    token: int


def claim(
    session: Session, table: type[Work], work_id: str, worker: str, now: datetime, lease_s: float
) -> int | None:
    """Take a queued row, or None if it is gone or another worker was first. → the token."""
    return session.execute(
        update(table)
        .where(table.id == work_id, table.status == JobStatus.QUEUED)
        .values(
            status=JobStatus.RUNNING,
            token=table.token + 1,
            lease_until=now + timedelta(seconds=lease_s),
            worker=worker,
        )
        .returning(table.token)
    ).scalar_one_or_none()


def beat(
    session: Session, table: type[Work], grip: Grip, now: datetime, lease_s: float
) -> JobStatus | None:
    """Prolong the lease. → the row's status, or None if the work is no longer ours."""
    status = session.execute(
        update(table)
        .where(held(table, grip))
        .values(lease_until=now + timedelta(seconds=lease_s))
        .returning(table.status)
    ).scalar_one_or_none()
    return None if status is None else JobStatus(status)


def held(table: type[Work], grip: Grip) -> ColumnElement[bool]:
    """The guard of every write: still this claim, and still being worked on."""
    return and_(table.id == grip.id, table.token == grip.token, table.status.in_(ACTIVE))


def lapsed(table: type[Work], now: datetime) -> ColumnElement[bool]:
    return and_(table.status.in_(ACTIVE), table.lease_until < now)


def unclaimed(table: type[Work], now: datetime, resend_after_s: float) -> ColumnElement[bool]:
    """Queued, and its last wake-up message is so old that it may have been lost."""
    return and_(
        table.status == JobStatus.QUEUED,
        table.woken_at < now - timedelta(seconds=resend_after_s),
    )


def move(table: type[Work], work_id: str, sources: Collection[JobStatus], **values: Any) -> Update:
    """The UPDATE of a row that is in one of `sources`."""
    return update(table).where(table.id == work_id, table.status.in_(sources)).values(**values)
