"""What an attempt's end means for its job."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.db.tables import Attempt, Job
from services.job_state import JobStatus, Outcome

RETRIED = frozenset({Outcome.LOST, Outcome.OOM, Outcome.STALLED})
"""Ends that another attempt may not share. An exception of the pipeline's own would come again."""
FREE = frozenset({Outcome.RELEASED, Outcome.PAUSED})
"""Ends that somebody wished for: they do not count against the attempts that a job has."""
AT_A_CHECKPOINT = RETRIED | FREE | {Outcome.TIMEOUT}
"""Ends after which nothing is lost but what came after the last checkpoint."""
WISHES = {JobStatus.CANCELLING: JobStatus.CANCELLED, JobStatus.PAUSING: JobStatus.PAUSED}
"""What the owner of a job has asked for, by the state that it is in until then."""


def next_status(status: JobStatus, outcome: Outcome, *, may_try_again: bool) -> JobStatus:
    """The state that a job in `status` goes to when its attempt ends so, not well.

    The owner's wish comes first: a job that was to stop has stopped, whatever its trainer died of.
    A trainer that has paused although the pause was withdrawn is followed by another one.
    """
    if outcome is Outcome.CANCELLED:
        return JobStatus.CANCELLED
    if outcome in AT_A_CHECKPOINT and status in WISHES:
        return WISHES[status]
    if outcome in FREE or (outcome in RETRIED and may_try_again):
        return JobStatus.QUEUED
    return JobStatus.FAILED


def may_try_again(session: Session, job: Job, max_attempts: int) -> bool:
    """Whether the job's attempts since it was last resumed, the one that ends now among them, are
    fewer than it may have."""
    used = session.scalar(
        select(func.count())
        .select_from(Attempt)
        .where(
            Attempt.job_id == job.id,
            Attempt.number >= job.counted_from,
            func.coalesce(Attempt.outcome, "").not_in(FREE),
        )
    )
    return (used or 0) < max_attempts
