"""A job in a worker's hands, and the one way to write to it: while the claim holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from services import events, leases
from services.db.tables import Job
from services.events import NewEvent
from services.leases import Grip


@dataclass(frozen=True)
class Claim:
    """A job in hand: the row as it was claimed, the grip on it, and which attempt this is."""

    job: Job
    grip: Grip
    number: int
    started_at: datetime
    resume_key: str | None
    """The storage key of the latest committed checkpoint of earlier attempts."""

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
