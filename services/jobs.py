"""Training jobs as their owners see them: submit, look, cancel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services import bases, events
from services.catalogue import Catalogue
from services.dataset_fit import dataset_problems
from services.datasets import Datasets
from services.db.engine import Database
from services.db.tables import Artifact, Attempt, Checkpoint, Event, Job
from services.errors import Conflict, FieldError, Invalid, NotFound
from services.ids import new_id
from services.job_moves import status_event, transition
from services.job_request import NewJob, problems
from services.job_state import JobStatus, sources
from services.leases import move
from services.paging import Page
from services.queue import Queue

Conditions = list[ColumnElement[bool]]


@dataclass(frozen=True)
class JobView:
    """A job with what belongs to it."""

    job: Job
    attempts: Sequence[Attempt]
    transitions: Sequence[tuple[str, datetime]]


class Jobs:
    def __init__(
        self, db: Database, queue: Queue, catalogue: Catalogue, datasets: Datasets
    ) -> None:
        self._db = db
        self._queue = queue
        self._catalogue = catalogue
        self._datasets = datasets

    def submit(
        self, new: NewJob, *, idempotency_key: str | None = None, request_id: str | None = None
    ) -> tuple[JobView, bool]:
        """Accept a job. → it, and whether it is new: the same key and request give the same job.

        Raises `NotFound` (`unknown_pipeline`), `Invalid` (`invalid_params`, …) and `Conflict`
        (`idempotency_conflict`). The row is written before the worker is told, so a job that was
        accepted is never lost with a message.
        """
        digest = new.sha256()
        if idempotency_key is not None and (known := self._by_key(idempotency_key, digest)):
            return known, False
        resolved = self._resolve(new)
        try:
            job = self._insert(resolved, digest, idempotency_key, request_id)
        except IntegrityError:  # the same key, accepted by another process a moment ago
            known = idempotency_key and self._by_key(idempotency_key, digest)
            if not known:
                raise
            return known, False
        self._queue.wake_job(job)
        return self.get(job.id), True

    def _resolve(self, new: NewJob) -> NewJob:
        pipeline = self._catalogue.get(new.pipeline)
        found = [*problems(new), *dataset_problems(pipeline, new.dataset, self._datasets)]
        if new.model is not None and not pipeline.produces_model:
            found.append(FieldError("model", f"{pipeline.name} publishes no model"))
        if new.world_size > 1 and not pipeline.produces_model:
            message = f"expected 1, as {pipeline.name} trains no model, got {new.world_size}"
            found.append(FieldError("world_size", message))
        if found:
            raise Invalid("the job cannot be run as it stands", errors=tuple(found))
        params = self._catalogue.resolve_params(pipeline, new.params)
        if pipeline.base_param is not None:
            with self._db.read() as session:
                params = bases.pinned(session, pipeline, params)
        return replace(
            new,
            params=params,
            dataset=new.dataset or pipeline.default_dataset,
            model=(new.model or pipeline.name) if pipeline.produces_model else None,
        )

    def _insert(
        self, new: NewJob, digest: str, idempotency_key: str | None, request_id: str | None
    ) -> Job:
        with self._db.write() as session:
            now = self._db.now(session)
            fields = asdict(new)
            job = Job(
                id=new_id("job"),
                status=JobStatus.QUEUED,
                meta=fields.pop("metadata"),
                **fields,
                token=0,
                stop={},
                idempotency_key=idempotency_key,
                request_sha256=digest,
                request_id=request_id,
                created_at=now,
                woken_at=now,
                metrics={},
                results={},
                kill=False,
                event_seq=1,
            )
            session.add(job)
            session.flush()
            events.insert(session, job.id, 1, [status_event(JobStatus.QUEUED)], now)
        return job

    def _by_key(self, key: str, digest: str) -> JobView | None:
        with self._db.read() as session:
            job = session.scalars(select(Job).where(Job.idempotency_key == key)).one_or_none()
            if job is None:
                return None
            if job.request_sha256 != digest:
                raise Conflict(
                    f"the idempotency key was used for another request, job {job.id}",
                    code="idempotency_conflict",
                )
            return views(session, [job])[0]

    def get(self, job_id: str) -> JobView:
        with self._db.read() as session:
            return views(session, [_existing(session, job_id)])[0]

    def list(
        self,
        *,
        status: str | None = None,
        pipeline: str | None = None,
        model: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Page[JobView]:
        """Newest first. Raises `Invalid` for an unknown status or an `after` that is no job."""
        wanted: Conditions = []
        if status is not None:
            wanted.append(Job.status == _status(status))
        if pipeline is not None:
            wanted.append(Job.pipeline == pipeline)
        if model is not None:
            wanted.append(Job.model == model)
        with self._db.read() as session:
            if after is not None:
                last = session.get(Job, after)
                if last is None:
                    raise Invalid(
                        "there is no such page",
                        errors=(FieldError("after", f"expected the id of a job, got {after!r}"),),
                    )
                wanted.append(tuple_(Job.created_at, Job.id) < (last.created_at, last.id))
            rows = session.scalars(
                select(Job)
                .where(*wanted)
                .order_by(Job.created_at.desc(), Job.id.desc())
                .limit(limit + 1)
            ).all()
            page = Page.cut(rows, limit)
            return Page(views(session, page.data), page.has_more)

    def cancel(self, job_id: str) -> JobView:
        """Stop after a checkpoint: at once if queued, else as soon as the trainer has saved one."""
        return self._stop(job_id, kill=False)

    def kill(self, job_id: str) -> JobView:
        """Stop without waiting for anything."""
        return self._stop(job_id, kill=True)

    def _stop(self, job_id: str, *, kill: bool) -> JobView:
        with self._db.write() as session:
            job = _existing(session, job_id)
            now = self._db.now(session)
            status = JobStatus(job.status)
            if status is JobStatus.CANCELLING and kill:
                session.execute(move(Job, job_id, {status}, kill=True))
            elif status in {JobStatus.QUEUED, JobStatus.PAUSED}:
                transition(session, job, JobStatus.CANCELLED, now, finished_at=now)
            elif status in sources(JobStatus.CANCELLING):
                transition(session, job, JobStatus.CANCELLING, now, kill=kill)
            else:
                verb = "kill" if kill else "cancel"
                raise Conflict(f"cannot {verb} a job that is {status}", code="invalid_state")
        return self.get(job_id)

    def checkpoints(self, job_id: str) -> Sequence[Checkpoint]:
        """Newest first."""
        with self._db.read() as session:
            _existing(session, job_id)
            return session.scalars(
                select(Checkpoint)
                .where(Checkpoint.job_id == job_id)
                .order_by(Checkpoint.step.desc(), Checkpoint.id.desc())
            ).all()

    def checkpoint(self, job_id: str, checkpoint_id: str) -> Checkpoint:
        with self._db.read() as session:
            _existing(session, job_id)
            row = session.get(Checkpoint, checkpoint_id)
            if row is None or row.job_id != job_id:
                raise NotFound(
                    f"the job has no checkpoint {checkpoint_id}", code="checkpoint_not_found"
                )
            return row

    def artifacts(self, job_id: str) -> Sequence[Artifact]:
        with self._db.read() as session:
            _existing(session, job_id)
            return session.scalars(
                select(Artifact).where(Artifact.job_id == job_id).order_by(Artifact.name)
            ).all()

    def artifact(self, job_id: str, name: str) -> Artifact:
        with self._db.read() as session:
            _existing(session, job_id)
            row = session.get(Artifact, (job_id, name))
            if row is None:
                raise NotFound(f"the job has no artifact {name}", code="artifact_not_found")
            return row


def _status(text: str) -> JobStatus:
    try:
        return JobStatus(text)
    except ValueError:
        states = ", ".join(JobStatus)
        raise Invalid(
            "there is no such state",
            errors=(FieldError("status", f"expected one of {states}, got {text!r}"),),
        ) from None


def _existing(session: Session, job_id: str) -> Job:
    job = session.get(Job, job_id)
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
