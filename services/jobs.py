"""Training jobs as their owners see them: submit and look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace

from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.exc import IntegrityError

from models.pipelines.base import Pipeline
from services import bases, events, tracing
from services.catalogue import Catalogue
from services.dataset_fit import dataset_problems
from services.datasets import Datasets
from services.db.engine import Database
from services.db.tables import Artifact, Checkpoint, Job
from services.errors import Conflict, FieldError, Invalid, NotFound
from services.ids import new_id
from services.job_moves import status_event
from services.job_request import NewJob, problems
from services.job_resume import checkpoint_of
from services.job_state import JobStatus
from services.job_views import JobView, existing, views
from services.paging import Page
from services.queue import Queue
from services.webhook_settings import WebhookSettings
from services.webhooks import webhook_problem

Conditions = list[ColumnElement[bool]]


class Jobs:
    def __init__(
        self,
        db: Database,
        queue: Queue,
        catalogue: Catalogue,
        datasets: Datasets,
        webhooks: WebhookSettings,
    ) -> None:
        self._db = db
        self._queue = queue
        self._catalogue = catalogue
        self._datasets = datasets
        self._webhooks = webhooks

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
        found = [
            *problems(new),
            *dataset_problems(pipeline, new.dataset, self._datasets),
            *_misfits(new, pipeline),
        ]
        if new.webhook is not None and (wrong := webhook_problem(new.webhook, self._webhooks)):
            found.append(FieldError("webhook", wrong))
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
            min_world_size=new.min_world_size or new.world_size,
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
                idempotency_key=idempotency_key,
                request_sha256=digest,
                request_id=request_id,
                traceparent=tracing.traceparent(),
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
            return views(session, [existing(session, job_id)])[0]

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

    def checkpoints(self, job_id: str) -> Sequence[Checkpoint]:
        """Newest first."""
        with self._db.read() as session:
            existing(session, job_id)
            return session.scalars(
                select(Checkpoint)
                .where(Checkpoint.job_id == job_id)
                .order_by(Checkpoint.step.desc(), Checkpoint.id.desc())
            ).all()

    def checkpoint(self, job_id: str, checkpoint_id: str) -> Checkpoint:
        with self._db.read() as session:
            existing(session, job_id)
            return checkpoint_of(session, job_id, checkpoint_id)

    def artifacts(self, job_id: str) -> Sequence[Artifact]:
        with self._db.read() as session:
            existing(session, job_id)
            return session.scalars(
                select(Artifact).where(Artifact.job_id == job_id).order_by(Artifact.name)
            ).all()

    def artifact(self, job_id: str, name: str) -> Artifact:
        with self._db.read() as session:
            existing(session, job_id)
            row = session.get(Artifact, (job_id, name))
            if row is None:
                raise NotFound(f"the job has no artifact {name}", code="artifact_not_found")
            return row


def _misfits(new: NewJob, pipeline: Pipeline) -> Iterator[FieldError]:
    """What only a pipeline that trains a model to publish can do."""
    if pipeline.produces_model:
        return
    if new.model is not None:
        yield FieldError("model", f"{pipeline.name} publishes no model")
    lacks = f"as {pipeline.name} trains no model"
    if new.world_size > 1:
        yield FieldError("world_size", f"expected 1, {lacks}, got {new.world_size}")
    if (steps := new.stop.get("max_steps")) is not None:
        yield FieldError("stop.max_steps", f"expected none, {lacks}, got {steps}")


def _status(text: str) -> JobStatus:
    try:
        return JobStatus(text)
    except ValueError:
        states = ", ".join(JobStatus)
        raise Invalid(
            "there is no such state",
            errors=(FieldError("status", f"expected one of {states}, got {text!r}"),),
        ) from None
