"""News of a job on its way to the webhook that its owner named.

A delivery is written in the transaction that moves the job, so there is one for every such move and
none for a move that did not happen. Then it is tried until it has arrived or is given up: at least
once, and the receiver knows it again by its id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Row, func, select, update
from sqlalchemy.orm import Session

from services.db.engine import Database
from services.db.tables import Attempt, Delivery, Job
from services.errors import NotFound
from services.ids import new_id
from services.job_state import TERMINAL, JobStatus

Due = Row[str, str, int]
"""Id, URL and tries."""
ANNOUNCED = TERMINAL | {JobStatus.PAUSED}
"""States whose coming is told."""
LEASE = timedelta(seconds=60)
"""So long after it was taken a delivery whose sender said nothing more is due again."""
PER_HOST = 4
"""Deliveries to one host under way at once in one sender, so that a slow one leaves room."""
LOOK_AT = 500
MAX_MESSAGE = 1000
"""Characters of the job's error message that are sent; the whole of it is in the job."""


def announce(session: Session, job_id: str, status: JobStatus, now: datetime) -> None:
    """Write the news that a job has just come to `status`, if it is news and somebody wants it."""
    if status not in ANNOUNCED:
        return
    job = session.scalars(
        select(Job)
        .where(Job.id == job_id, Job.webhook.is_not(None))
        .execution_options(populate_existing=True)
    ).one_or_none()
    if job is None:
        return
    attempt = session.scalar(select(func.max(Attempt.number)).where(Attempt.job_id == job_id))
    payload = {
        "type": f"job.{status.value}",
        "timestamp": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "data": _about(job, attempt),
    }
    session.add(
        Delivery(
            id=new_id("dlv"),
            job_id=job_id,
            url=job.webhook,
            payload=payload,
            created_at=now,
            tries=0,
            due_at=now,
        )
    )


def _about(job: Job, attempt: int | None) -> dict[str, Any]:
    """Little, as the rest is behind `url`."""
    message = (job.error_message or "")[:MAX_MESSAGE]
    return {
        "id": job.id,
        "status": job.status,
        "pipeline": job.pipeline,
        "model": job.model,
        "model_version": job.model_version,
        "attempt": attempt,
        "error": None if job.error_code is None else {"code": job.error_code, "message": message},
        "url": f"/v1/jobs/{job.id}",
    }


class Deliveries:
    def __init__(self, db: Database) -> None:
        self._db = db

    def list(self, job_id: str) -> Sequence[Delivery]:
        """Newest first."""
        with self._db.read() as session:
            if session.get(Job, job_id) is None:
                raise NotFound(f"no job has the id {job_id}", code="job_not_found")
            return session.scalars(
                select(Delivery)
                .where(Delivery.job_id == job_id)
                .order_by(Delivery.created_at.desc(), Delivery.id.desc())
            ).all()

    def take(self, room: int, under_way: Iterable[Delivery] = ()) -> list[Delivery]:
        """Up to `room` of those that are due, each for one try and for no other sender meanwhile.

        `under_way` are those that the caller is trying already. Of several senders that look at
        once, one gets a delivery: `tries` is the token of its claim.
        """
        with self._db.read() as session:
            due = session.execute(
                select(Delivery.id, Delivery.url, Delivery.tries)
                .where(Delivery.due_at <= self._db.now(session))
                .order_by(Delivery.due_at)
                .limit(LOOK_AT)
            ).all()
        chosen = _fairly(due, room, Counter(_host(one.url) for one in under_way))
        if not chosen:
            return []
        with self._db.write() as session:
            now = self._db.now(session)
            claims = [_claim(session, row.id, row.tries, now) for row in chosen]
        return [taken for taken in claims if taken is not None]

    def arrived(self, taken: Delivery) -> None:
        """It has been received, whoever has tried it again since."""
        with self._db.write() as session:
            session.execute(
                update(Delivery)
                .where(Delivery.id == taken.id, Delivery.delivered_at.is_(None))
                .values(delivered_at=self._db.now(session), due_at=None, error=None)
            )

    def failed(self, taken: Delivery, reason: str, again_in_s: float | None) -> None:
        """This try came to nothing. None: there will be no other."""
        with self._db.write() as session:
            now = self._db.now(session)
            due = None if again_in_s is None else now + timedelta(seconds=again_in_s)
            session.execute(
                update(Delivery)
                .where(
                    Delivery.id == taken.id,
                    Delivery.tries == taken.tries,
                    Delivery.delivered_at.is_(None),
                )
                .values(due_at=due, error=reason)
            )


def _claim(session: Session, delivery_id: str, tries: int, now: datetime) -> Delivery | None:
    return session.scalars(
        update(Delivery)
        .where(Delivery.id == delivery_id, Delivery.tries == tries, Delivery.due_at <= now)
        .values(tries=tries + 1, due_at=now + LEASE)
        .returning(Delivery)
    ).one_or_none()


def _fairly(due: Sequence[Due], room: int, busy: Counter[str]) -> list[Due]:
    """Those whose turn it is, in an order that is every sender's: two must not wait for a row of
    each other's."""
    chosen: list[Due] = []
    for row in due:
        host = _host(row.url)
        if len(chosen) < room and busy[host] < PER_HOST:
            busy[host] += 1
            chosen.append(row)
    return sorted(chosen, key=lambda row: row.id)


def _host(url: str) -> str:
    return urlsplit(url).netloc.lower()
