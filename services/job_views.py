"""A job as it is shown, with what belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from services import waiting
from services.db.engine import now_of
from services.db.tables import Attempt, Event, Job
from services.errors import NotFound
from services.job_state import JobStatus


@dataclass(frozen=True)
class JobView:
    """A job with what belongs to it."""

    job: Job
    attempts: Sequence[Attempt]
    transitions: Sequence[tuple[str, datetime]]
    waiting_for: str | None
    """What keeps a queued job from being run: a worker, a free slot, `1 more host`, `2 gpu`, …"""


def existing(session: Session, job_id: str, *, lock: bool = False) -> Job:
    """The row; with `lock` nobody else writes to it until the transaction ends."""
    job = session.get(Job, job_id, with_for_update=lock)
    if job is None:
        raise NotFound(f"no job has the id {job_id}", code="job_not_found")
    return job


def views(session: Session, jobs: Sequence[Job]) -> list[JobView]:
    """Jobs with their attempts, transitions and what they wait for, in as many queries for one as
    for many."""
    ids = [job.id for job in jobs]
    attempts = session.scalars(
        select(Attempt).where(Attempt.job_id.in_(ids)).order_by(Attempt.number)
    ).all()
    moves = session.scalars(
        select(Event).where(Event.job_id.in_(ids), Event.type == "status").order_by(Event.seq)
    ).all()
    queued = any(job.status == JobStatus.QUEUED for job in jobs)
    workers = waiting.live_workers(session, now_of(session)) if queued else []
    return [
        JobView(
            job,
            [attempt for attempt in attempts if attempt.job_id == job.id],
            [(move.data["status"], move.created_at) for move in moves if move.job_id == job.id],
            waiting.reason(job, workers),
        )
        for job in jobs
    ]
