"""The events of a job: numbered 1, 2, 3, … without gaps, written once, read in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.db.engine import Database
from services.db.tables import Event, Job
from services.errors import NotFound
from services.job_state import TERMINAL, JobStatus
from services.paging import Page

EventType = Literal["status", "metrics", "log", "checkpoint", "artifact"]


@dataclass(frozen=True)
class NewEvent:
    type: EventType
    message: str
    level: str = "info"
    data: dict[str, Any] = field(default_factory=dict[str, Any])


def insert(
    session: Session, job_id: str, last_seq: int, events: Sequence[NewEvent], now: datetime
) -> None:
    """Write `events`, the last of which gets `last_seq`.

    The numbers were reserved by an UPDATE that added `len(events)` to the job's `event_seq`, so
    a writer that is no longer allowed to write has failed before it comes here.
    """
    first = last_seq - len(events) + 1
    session.add_all(
        Event(
            job_id=job_id,
            seq=first + offset,
            created_at=now,
            type=event.type,
            level=event.level,
            message=event.message,
            data=event.data,
        )
        for offset, event in enumerate(events)
    )


class Events:
    def __init__(self, db: Database) -> None:
        self._db = db

    def list(self, job_id: str, *, after: int = 0, limit: int = 50) -> Page[Event]:
        """Oldest first, from the one behind `after`."""
        with self._db.read() as session:
            if session.get(Job, job_id) is None:
                raise NotFound(f"no job has the id {job_id}", code="job_not_found")
            return Page.cut(_after(session, job_id, after, limit + 1), limit)

    def since(self, job_id: str, after: int, *, limit: int = 500) -> tuple[Sequence[Event], bool]:
        """For a live stream: the events behind `after`, and whether they are the last.

        They are when the job is in a terminal state and its latest event is among them or before.
        """
        with self._db.read() as session:
            job = session.execute(
                select(Job.status, Job.event_seq).where(Job.id == job_id)
            ).one_or_none()
            if job is None:
                raise NotFound(f"no job has the id {job_id}", code="job_not_found")
            if job.event_seq <= after:
                return [], JobStatus(job.status) in TERMINAL
            events = _after(session, job_id, after, limit)
            seen = events[-1].seq if events else after
            # More of them than it had a moment ago: it has been resumed in between.
            return events, JobStatus(job.status) in TERMINAL and seen == job.event_seq


def _after(session: Session, job_id: str, after: int, limit: int) -> Sequence[Event]:
    return session.scalars(
        select(Event)
        .where(Event.job_id == job_id, Event.seq > after)
        .order_by(Event.seq)
        .limit(limit)
    ).all()
