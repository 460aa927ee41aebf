"""Moving a job from one state to another, with the event that tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from services import events
from services.db.tables import Job
from services.deliveries import announce
from services.errors import Conflict
from services.events import NewEvent
from services.job_state import JobStatus, sources
from services.leases import move


def status_event(status: JobStatus, **data: Any) -> NewEvent:
    return NewEvent("status", status.value, data={"status": status.value, **data})


def transition(
    session: Session,
    job: Job,
    target: JobStatus,
    now: datetime,
    told: Mapping[str, Any] | None = None,
    **values: Any,
) -> None:
    """Move a job that was read in this transaction, with its event, which says `told` besides.

    Raises `Conflict` if another writer has moved it in between.
    """
    seq = session.execute(
        move(
            Job,
            job.id,
            {JobStatus(job.status)} & sources(target),
            status=target,
            event_seq=Job.event_seq + 1,
            **values,
        ).returning(Job.event_seq)
    ).scalar_one_or_none()
    if seq is None:
        raise Conflict("the job has just changed its state; look again", code="invalid_state")
    events.insert(session, job.id, seq, [status_event(target, **(told or {}))], now)
    announce(session, job.id, target, now)
