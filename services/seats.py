"""The hosts of one attempt at a job that is spread over several.

The attempt's own worker is the leader: it alone writes to the job. It puts out *seats*, and other
workers take them by guarded UPDATEs, hold them by a lease, and lose them with the attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.claims import Claim, ResumePoint, append, resume_points
from services.db.engine import Database
from services.db.tables import Attempt, Job, Seat
from services.events import NewEvent
from services.job_state import ACTIVE
from services.leases import Grip
from services.queue import Queue
from services.settings import Settings


class SeatStatus(StrEnum):
    FREE = "free"
    TAKEN = "taken"
    LEAVING = "leaving"
    """Its worker was asked to stop: the attempt should end at a checkpoint."""
    LEFT = "left"
    """Its processes have ended, each of them."""


@dataclass(frozen=True)
class SeatClaim:
    """A seat in hand."""

    claim: Claim
    """The leader's, to read of what is to be done; a member writes nothing with it."""
    number: int
    worker: str
    endpoint: str
    device: str


@dataclass(frozen=True)
class Loss:
    """A host that is no longer there."""

    worker: str
    leaves: bool
    """It is still there, and wants to go."""
    code: str = "lost"
    message: str = ""


class Seats:
    """A method that answers None or False has lost the attempt, or the seat."""

    def __init__(self, db: Database, queue: Queue, settings: Settings) -> None:
        self._db = db
        self._queue = queue
        self._lease = timedelta(seconds=settings.lease_s)

    def put_out(self, claim: Claim, endpoint: str, device: str, checkpoint_id: str | None) -> bool:
        """Put out the seats of all hosts but the leader's own, and call for workers."""
        numbers = range(1, claim.job.hosts)
        with self._db.write() as session:
            if not append(session, claim.grip, [], self._db.now(session)):
                return False
            session.add_all(
                Seat(
                    job_id=claim.grip.id,
                    token=claim.grip.token,
                    number=number,
                    status=SeatStatus.FREE,
                    endpoint=endpoint,
                    device=device,
                    checkpoint_id=checkpoint_id,
                )
                for number in numbers
            )
        self._call(claim.job, device, len(numbers))
        return True

    def call_again(self, claim: Claim) -> int:
        """Make free what was left, or whose lease has lapsed, and call for workers again: a message
        may have been lost, or come to one that has a seat already. → how many seats are free."""
        with self._db.write() as session:
            now = self._db.now(session)
            gone = (Seat.status == SeatStatus.LEFT) | (Seat.lease_until < now)
            session.execute(
                update(Seat)
                .where(_of(claim), gone)
                .values(status=SeatStatus.FREE, worker=None, lease_until=None, error=None)
            )
            free = session.scalars(select(Seat).where(_of(claim), Seat.status == SeatStatus.FREE))
            devices = [seat.device for seat in free]
        for device in devices[:1]:
            self._call(claim.job, device, len(devices))
        return len(devices)

    def fill(self, claim: Claim, fewest: int) -> dict[int, str] | None:
        """Give no more seats out, if at least `fewest` hosts are there, the leader among them.
        → the worker of each seat that is taken, which is told as an event; None: too few."""
        with self._db.write() as session:
            now = self._db.now(session)
            if not append(session, claim.grip, [], now):
                return None
            here = and_(Seat.status == SeatStatus.TAKEN, Seat.lease_until >= now)
            rows = session.scalars(
                select(Seat).where(_of(claim), here).order_by(Seat.number).with_for_update()
            ).all()
            if 1 + len(rows) < fewest:
                return None
            numbers = [row.number for row in rows]
            session.execute(delete(Seat).where(_of(claim), Seat.number.not_in(numbers)))
            workers = {row.number: row.worker or "" for row in rows}
            append(session, claim.grip, [_gathered(claim, [*workers.values()])], now)
            return workers

    def losses(self, claim: Claim) -> list[Loss]:
        """The hosts that are lost, or want to go, since `fill`."""
        with self._db.read() as session:
            now = self._db.now(session)
            rows = session.scalars(select(Seat).where(_of(claim)).order_by(Seat.number))
            return [loss for row in rows if (loss := _loss(row, now)) is not None]

    def let_go(self, claim: Claim) -> None:
        """The leader needs the others no more."""
        with self._db.write() as session:
            session.execute(delete(Seat).where(_of(claim)))

    def take(
        self,
        job_id: str,
        worker: str,
        fits: Callable[[str, Job], bool] = lambda _device, _job: True,
    ) -> SeatClaim | None:
        """Take a free seat. None: there is none, or none for this worker, which leads the attempt
        or has another seat of it; or its device, which `fits` is asked about, is not here."""
        try:
            with self._db.write() as session:
                return self._take(session, job_id, worker, fits)
        except IntegrityError:  # it has just got another one by another of its slots
            return None

    def _take(
        self, session: Session, job_id: str, worker: str, fits: Callable[[str, Job], bool]
    ) -> SeatClaim | None:
        seat = session.scalars(
            select(Seat)
            .join(Job, (Job.id == Seat.job_id) & (Job.token == Seat.token))
            .where(Job.id == job_id, Seat.status == SeatStatus.FREE)
            .order_by(Seat.number)
            .limit(1)
        ).one_or_none()
        if seat is None:
            return None
        job = session.get_one(Job, job_id)
        if job.worker == worker or not fits(seat.device, job):
            return None
        grip = Grip(job_id, seat.token)
        taken = session.execute(
            update(Seat)
            .where(_at(grip, seat.number), Seat.status == SeatStatus.FREE, _under_way(grip))
            .values(
                status=SeatStatus.TAKEN,
                worker=worker,
                lease_until=self._db.now(session) + self._lease,
            )
            .returning(Seat.number)
        ).scalar_one_or_none()
        if taken is None:
            return None
        return SeatClaim(_claim(session, job, seat), taken, worker, seat.endpoint, seat.device)

    def beat(self, seat: SeatClaim) -> bool:
        """Prolong the lease. → whether the seat is still this worker's, and its attempt goes on."""
        with self._db.write() as session:
            lease_until = self._db.now(session) + self._lease
            return self._change(session, seat, lease_until=lease_until)

    def look(self, seat: SeatClaim) -> bool:
        """Like `beat`, without prolonging anything."""
        with self._db.read() as session:
            mine = select(Seat.number).where(_mine(seat), _under_way(seat.claim.grip))
            return session.scalar(mine) is not None

    def leaving(self, seat: SeatClaim) -> bool:
        with self._db.write() as session:
            return self._change(session, seat, status=SeatStatus.LEAVING)

    def leave(self, seat: SeatClaim, code: str, message: str) -> bool:
        """Every process of the seat has ended, before the attempt did."""
        error = {"code": code, "message": message}
        with self._db.write() as session:
            return self._change(session, seat, status=SeatStatus.LEFT, error=error)

    def _change(self, session: Session, seat: SeatClaim, **values: Any) -> bool:
        changed = session.execute(
            update(Seat)
            .where(_mine(seat), _under_way(seat.claim.grip))
            .values(**values)
            .returning(Seat.number)
        ).scalar_one_or_none()
        return changed is not None

    def _call(self, job: Job, device: str, times: int) -> None:
        for _ in range(times):
            self._queue.wake_ranks(job, device)


def _loss(row: Seat, now: datetime) -> Loss | None:
    worker = row.worker or ""
    if row.status == SeatStatus.LEFT:
        return Loss(worker, leaves=False, **(row.error or {}))
    if row.lease_until is None or row.lease_until < now:
        message = f"the worker {worker}, another host of the job, has not been heard of"
        return Loss(worker, leaves=False, message=message)
    return Loss(worker, leaves=True) if row.status == SeatStatus.LEAVING else None


def _of(claim: Claim) -> ColumnElement[bool]:
    return and_(Seat.job_id == claim.grip.id, Seat.token == claim.grip.token)


def _at(grip: Grip, number: int) -> ColumnElement[bool]:
    return and_(Seat.job_id == grip.id, Seat.token == grip.token, Seat.number == number)


def _mine(seat: SeatClaim) -> ColumnElement[bool]:
    held = Seat.status.in_((SeatStatus.TAKEN, SeatStatus.LEAVING))
    return and_(_at(seat.claim.grip, seat.number), Seat.worker == seat.worker, held)


def _under_way(grip: Grip) -> ColumnElement[bool]:
    """The attempt is the job's present one, and goes on."""
    return exists().where(Job.id == grip.id, Job.token == grip.token, Job.status.in_(ACTIVE))


def _claim(session: Session, job: Job, seat: Seat) -> Claim:
    attempt = session.scalars(
        select(Attempt).where(Attempt.job_id == job.id, Attempt.token == seat.token)
    ).one()
    points: Sequence[ResumePoint] = [
        point for point in resume_points(session, job.id) if point.id == seat.checkpoint_id
    ]
    return Claim(job, Grip(job.id, seat.token), attempt.number, attempt.started_at, points)


def _gathered(claim: Claim, others: Sequence[str]) -> NewEvent:
    count = 1 + len(others)
    ranks = claim.job.world_size // claim.job.hosts * count
    processes = "1 process" if ranks == 1 else f"{ranks} processes"
    return NewEvent(
        "log",
        f"{count} of {claim.job.hosts} hosts are there, for {processes}",
        "info" if count == claim.job.hosts else "warning",
        {"hosts": count, "world_size": ranks, "members": list(others)},
    )
