"""An attempt at a job, as the worker that makes it sees it. Every write carries the claim's token.

A method that answers None or False has lost the lease: another attempt has the job, or nobody may
work on it any more. The caller then kills its trainer and leaves without another word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from services import events, leases, waiting
from services.attempt_ends import may_try_again, next_status
from services.claims import Claim, append, ran_s, resume_points
from services.db.engine import Database
from services.db.tables import Attempt, Job, Seat
from services.deliveries import announce
from services.events import NewEvent
from services.ids import new_id
from services.job_moves import status_event
from services.job_state import JobStatus, Outcome, sources
from services.leases import Grip
from services.publications import NewVersion, Origin, insert_version
from services.queue import Queue
from services.settings import Settings


@dataclass(frozen=True)
class Beat:
    """What a heartbeat brings back: the state that the owner wants the job in."""

    status: JobStatus
    kill: bool


@dataclass(frozen=True)
class Report:
    """What a trainer has told since the last report; written in one transaction."""

    events: Sequence[NewEvent] = ()
    progress: Mapping[str, Any] | None = None
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    placed_device: str | None = None
    exact: bool | None = None
    """Whether the attempt goes on exactly as the one before would have; None: nothing new."""
    id: str = field(default_factory=lambda: new_id("rep"))
    """The same however often it has to be written until a database is known to have it."""


class Attempts:
    def __init__(self, db: Database, queue: Queue, settings: Settings) -> None:
        self._db = db
        self._queue = queue
        self._settings = settings

    def claim(
        self, job_id: str, worker: str, fits: Callable[[Job], bool] = lambda _: True
    ) -> Claim | None:
        """Take a queued job. None: it is not queued (any more), so there is nothing to do; or it
        does not fit what the worker has, or needs more hosts than have room for it now, and goes
        on waiting."""
        with self._db.write() as session:
            now = self._db.now(session)
            job = session.get(Job, job_id)
            if job is None or not fits(job) or _lacks_hosts(session, job, worker, now):
                return None
            token = leases.claim(session, Job, job_id, worker, now, self._settings.lease_s)
            if token is None:
                return None
            last = session.scalar(select(func.max(Attempt.number)).where(Attempt.job_id == job_id))
            number = (last or 0) + 1
            session.add(
                Attempt(job_id=job_id, number=number, token=token, worker=worker, started_at=now)
            )
            grip = Grip(job_id, token)
            started = status_event(JobStatus.RUNNING, attempt=number, worker=worker)
            append(session, grip, [started], now, started_at=func.coalesce(Job.started_at, now))
            job = session.get_one(Job, job_id, populate_existing=True)
            points, before_s = resume_points(session, job_id), ran_s(session, job)
            return Claim(job, grip, number, now, points, before_s)

    def beat(self, claim: Claim) -> Beat | None:
        """Prolong the lease, and see whether the owner wants the job to stop."""
        with self._db.write() as session:
            status = leases.beat(
                session, Job, claim.grip, self._db.now(session), self._settings.lease_s
            )
            if status is None:
                return None
            kill = session.scalar(select(Job.kill).where(Job.id == claim.grip.id))
            return Beat(status, bool(kill))

    def look(self, claim: Claim) -> Beat | None:
        """Like `beat`, without prolonging anything: cheap enough to ask every second."""
        with self._db.read() as session:
            row = session.execute(
                select(Job.status, Job.kill).where(leases.held(Job, claim.grip))
            ).one_or_none()
            return None if row is None else Beat(JobStatus(row.status), row.kill)

    def record(self, claim: Claim, report: Report) -> bool:
        """Write a report once, also where an earlier try was committed without an answer."""
        with self._db.write() as session:
            if _last_report(session, claim) == report.id:
                return True
            now = self._db.now(session)
            values: dict[str, Any] = {}
            if report.progress is not None:
                values["progress"] = dict(report.progress)
            if report.metrics:
                values["metrics"] = dict(report.metrics)
            if report.placed_device is not None:
                values["placed_device"] = report.placed_device
            held = append(session, claim.grip, report.events, now, **values)
            if held:
                news = {} if report.exact is None else {"exact": report.exact}
                _set(session, claim, last_report=report.id, **news)
            return held

    def succeed(
        self, claim: Claim, results: Mapping[str, Any], version: NewVersion | None = None
    ) -> bool:
        """End the job well. Its version, if it has one, becomes visible in the same instant."""
        with self._db.write() as session:
            now = self._db.now(session)
            values: dict[str, Any] = {"results": dict(results)}
            told: list[NewEvent] = []
            if version is not None and append(session, claim.grip, [], now):
                number, promoted = insert_version(session, Origin.of(claim.job), version, now)
                values["model_version"] = number
                told = [_published(claim.job.model or "", number, promoted=promoted)]
            return self._end(
                session, claim, Outcome.SUCCEEDED, JobStatus.SUCCEEDED, now, told, **values
            )

    def finish(
        self,
        claim: Claim,
        outcome: Outcome,
        *,
        code: str = "",
        message: str = "",
        only_lapsed: bool = False,
        at_once: bool = True,
    ) -> JobStatus | None:
        """End the attempt otherwise. → the job's new state, `queued` where another attempt follows.

        `code` and `message` become the job's error if it fails. `only_lapsed` is for the sweeper,
        which must leave alone a lease that was prolonged since it looked. Without `at_once` the
        next attempt waits for the sweeper to call for it.
        """
        with self._db.write() as session:
            now = self._db.now(session)
            job = session.get_one(Job, claim.job.id, populate_existing=True, with_for_update=True)
            if only_lapsed and not (job.lease_until and job.lease_until < now):
                return None
            target = next_status(
                JobStatus(job.status),
                outcome,
                may_try_again=may_try_again(session, job, self._settings.max_attempts),
            )
            values: dict[str, Any] = {}
            if target is JobStatus.FAILED:
                values = {"error_code": code or outcome.value, "error_message": message}
            told = [NewEvent("log", message, "error", {"code": code or outcome.value})]
            if not self._end(
                session, claim, outcome, target, now, told if message else [], **values
            ):
                return None
        if target is JobStatus.QUEUED and at_once:
            self._queue.wake_job(job)
        return target

    def _end(
        self,
        session: Session,
        claim: Claim,
        outcome: Outcome,
        target: JobStatus,
        now: datetime,
        told: Sequence[NewEvent],
        **values: Any,
    ) -> bool:
        if target is not JobStatus.QUEUED and target is not JobStatus.PAUSED:
            values["finished_at"] = now
        if target is JobStatus.QUEUED:
            values["woken_at"] = now
        status = status_event(target, attempt=claim.number, outcome=outcome.value)
        seq = session.execute(
            update(Job)
            .where(leases.held(Job, claim.grip), Job.status.in_(sources(target)))
            .values(
                status=target,
                lease_until=None,
                event_seq=Job.event_seq + len(told) + 1,
                **values,
            )
            .returning(Job.event_seq)
        ).scalar_one_or_none()
        if seq is None:
            return False
        events.insert(session, claim.job.id, seq, [*told, status], now)
        _set(session, claim, ended_at=now, outcome=outcome)
        session.execute(delete(Seat).where(Seat.job_id == claim.job.id))
        announce(session, claim.job.id, target, now)
        return True


def _lacks_hosts(session: Session, job: Job, worker: str, now: datetime) -> bool:
    """Whether an attempt by this worker would wait in vain for enough others."""
    if waiting.fewest_hosts(job) == 1:
        return False
    return waiting.missing_hosts(job, waiting.live_workers(session, now), worker) > 0


def _set(session: Session, claim: Claim, **values: Any) -> None:
    """Write to the attempt's own row, in a transaction that has found the claim to hold."""
    session.execute(
        update(Attempt)
        .where(Attempt.job_id == claim.job.id, Attempt.number == claim.number)
        .values(**values)
    )


def _last_report(session: Session, claim: Claim) -> str | None:
    return session.scalar(
        select(Attempt.last_report).where(
            Attempt.job_id == claim.job.id, Attempt.number == claim.number
        )
    )


def _published(model: str, version: int, *, promoted: bool) -> NewEvent:
    return NewEvent(
        "log",
        f"published {model} version {version}" + (", now the champion" if promoted else ""),
        data={"model": model, "version": version, "champion": promoted},
    )
