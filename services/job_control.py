"""What the owner of a job may have done to it: pause, resume, cancel, kill.

Each is one move, made while the job's row is locked and told by one event. A worker learns of it
when it next looks, so a job that runs goes by way of `pausing` or `cancelling`.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.catalogue import Catalogue
from services.dataset_fit import dataset_problems
from services.datasets import Datasets
from services.db.engine import Database
from services.db.tables import Attempt, Job
from services.errors import Conflict, FieldError, Invalid
from services.job_moves import transition
from services.job_resume import Resume, go_back_to, new_params, starting_point
from services.job_state import RESUMABLE, JobStatus, sources
from services.job_views import JobView, existing, views
from services.leases import move
from services.queue import Queue


class JobControl:
    """Every method raises `NotFound`, and `Conflict` (`invalid_state`) that names the state which
    does not allow it."""

    def __init__(
        self, db: Database, queue: Queue, catalogue: Catalogue, datasets: Datasets
    ) -> None:
        self._db = db
        self._queue = queue
        self._catalogue = catalogue
        self._datasets = datasets

    def pause(self, job_id: str) -> JobView:
        """Have a running job save a checkpoint and give its worker back, until it is resumed."""
        with self._db.write() as session:
            job = existing(session, job_id, lock=True)
            if JobStatus(job.status) not in sources(JobStatus.PAUSING):
                raise _refusal("pause", job)
            transition(session, job, JobStatus.PAUSING, self._db.now(session))
        return self._view(job_id)

    def resume(self, job_id: str, wish: Resume | None = None) -> JobView:
        """Queue the next attempt of a job that was paused, has failed or was cancelled; or take
        back a pause that has not come about yet.

        Raises `NotFound` (`checkpoint_not_found`) and `Invalid` (`invalid_params`, or a dataset
        that was deleted meanwhile) besides.
        """
        wish = wish or Resume()
        lost = self._dataset_problems(job_id)
        with self._db.write() as session:
            job = existing(session, job_id, lock=True)
            now = self._db.now(session)
            if JobStatus(job.status) in RESUMABLE:
                if lost:
                    raise Invalid(f"job {job_id} cannot go on", errors=tuple(lost))
                self._queue_again(session, job, wish, now)
            elif job.status != JobStatus.PAUSING:
                raise _refusal("resume", job)
            elif wish.changes():  # its attempt goes on as it began
                raise _refusal("change", job, ": a checkpoint and params need one that is paused")
            else:
                transition(session, job, JobStatus.RUNNING, now)
        view = self._view(job_id)
        if view.job.status == JobStatus.QUEUED:
            self._queue.wake_job(view.job)
        return view

    def _dataset_problems(self, job_id: str) -> list[FieldError]:
        """Looked for before the job's row is locked, since no job changes its dataset."""
        with self._db.read() as session:
            job = existing(session, job_id)
        if job.dataset is None:
            return []
        return dataset_problems(self._catalogue.get(job.pipeline), job.dataset, self._datasets)

    def _queue_again(self, session: Session, job: Job, wish: Resume, now: datetime) -> None:
        start = starting_point(session, job, wish.checkpoint)
        params = new_params(session, self._catalogue, job, wish.params, start)
        last = session.scalar(select(func.max(Attempt.number)).where(Attempt.job_id == job.id))
        transition(
            session,
            job,
            JobStatus.QUEUED,
            now,
            wish.changes(),
            params=params,
            counted_from=(last or 0) + 1,
            kill=False,
            woken_at=now,
            finished_at=None,
            error_code=None,
            error_message=None,
        )
        if start is not None and wish.checkpoint is not None:
            go_back_to(session, start)

    def cancel(self, job_id: str) -> JobView:
        """Stop after a checkpoint: at once if queued, else as soon as the trainer has saved one."""
        return self._stop(job_id, kill=False)

    def kill(self, job_id: str) -> JobView:
        """Stop without waiting for anything."""
        return self._stop(job_id, kill=True)

    def _stop(self, job_id: str, *, kill: bool) -> JobView:
        with self._db.write() as session:
            job = existing(session, job_id, lock=True)
            now = self._db.now(session)
            status = JobStatus(job.status)
            if status is JobStatus.CANCELLING and kill:
                session.execute(move(Job, job_id, {status}, kill=True))
            elif status in {JobStatus.QUEUED, JobStatus.PAUSED}:
                transition(session, job, JobStatus.CANCELLED, now, finished_at=now)
            elif status in sources(JobStatus.CANCELLING):
                transition(session, job, JobStatus.CANCELLING, now, kill=kill)
            else:
                raise _refusal("kill" if kill else "cancel", job)
        return self._view(job_id)

    def _view(self, job_id: str) -> JobView:
        with self._db.read() as session:
            return views(session, [existing(session, job_id)])[0]


def _refusal(verb: str, job: Job, why: str = "") -> Conflict:
    return Conflict(f"cannot {verb} a job that is {job.status}{why}", code="invalid_state")
