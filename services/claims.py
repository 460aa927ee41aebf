"""A job in a worker's hands, and the one way to write to it: while the claim holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services import events, leases
from services.db.tables import Attempt, Checkpoint, Job
from services.events import NewEvent
from services.leases import Grip


@dataclass(frozen=True)
class ResumePoint:
    """A committed checkpoint of an earlier attempt."""

    id: str
    epoch: int
    step: int
    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Claim:
    """A job in hand: the row as it was claimed, the grip on it, and which attempt this is."""

    job: Job
    grip: Grip
    number: int
    started_at: datetime
    resume_points: Sequence[ResumePoint] = ()
    """Where it may go on, the latest first."""
    ran_s: float = 0.0
    """Seconds that the job has been in attempts before, as far as they count."""

    def key(self, *parts: str) -> str:
        """A storage key in the attempt's own directory."""
        return "/".join(["jobs", self.job.id, str(self.number), *parts])


def append(
    session: Session,
    grip: Grip,
    new: Sequence[NewEvent],
    now: datetime,
    **values: Any,
) -> bool:
    """Write events and columns if the claim still holds."""
    seq = session.execute(
        update(Job)
        .where(leases.held(Job, grip))
        .values(event_seq=Job.event_seq + len(new), **values)
        .returning(Job.event_seq)
    ).scalar_one_or_none()
    if seq is None:
        return False
    events.insert(session, grip.id, seq, new, now)
    return True


def resume_points(session: Session, job_id: str) -> list[ResumePoint]:
    """The checkpoints that an attempt may go on from by itself, the latest first."""
    rows = session.scalars(
        select(Checkpoint)
        .where(Checkpoint.job_id == job_id, Checkpoint.abandoned.is_(False))
        .order_by(Checkpoint.step.desc(), Checkpoint.created_at.desc())
    )
    return [
        ResumePoint(row.id, row.epoch, row.step, row.key, row.size_bytes, row.sha256)
        for row in rows
    ]


def ran_s(session: Session, job: Job) -> float:
    """Seconds from the start to the end of each attempt that counts, those that have ended. One
    whose worker was lost has ended when that was found."""
    rows = session.execute(
        select(Attempt.started_at, Attempt.ended_at).where(
            Attempt.job_id == job.id, Attempt.number >= job.counted_from
        )
    )
    return sum((ended - started).total_seconds() for started, ended in rows if ended is not None)
