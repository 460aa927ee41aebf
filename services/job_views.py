"""A job as it is shown, with what belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.db.tables import Attempt, Event, Job
from services.errors import NotFound


@dataclass(frozen=True)
class JobView:
    """A job with what belongs to it."""

    job: Job
    attempts: Sequence[Attempt]
    transitions: Sequence[tuple[str, datetime]]


def existing(session: Session, job_id: str, *, lock: bool = False) -> Job:
    """The row; with `lock` nobody else writes to it until the transaction ends."""
    job = session.get(Job, job_id, with_for_update=lock)
    if job is None:
        raise NotFound(f"no job has the id {job_id}", code="job_not_found")
    return job


def views(session: Session, jobs: Sequence[Job]) -> list[JobView]:
    """Jobs with their attempts and transitions, in two queries however many they are."""
    ids = [job.id for job in jobs]
    attempts = session.scalars(
        select(Attempt).where(Attempt.job_id.in_(ids)).order_by(Attempt.number)
    ).all()
    moves = session.scalars(
        select(Event).where(Event.job_id.in_(ids), Event.type == "status").order_by(Event.seq)
    ).all()
    return [
        JobView(
            job,
            [attempt for attempt in attempts if attempt.job_id == job.id],
            [(move.data["status"], move.created_at) for move in moves if move.job_id == job.id],
        )
        for job in jobs
    ]
