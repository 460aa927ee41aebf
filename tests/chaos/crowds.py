"""Many small jobs at once, and what has become of all of them."""

from __future__ import annotations

import time
from collections import Counter

from sqlalchemy import func, select

from services.container import Container
from services.db.tables import Attempt, Event, Job
from services.job_request import NewJob
from services.job_state import TERMINAL
from tests.workers.waiting import wait_for

NEW = NewJob("losses")
"""The quickest of the pipelines, with real trainers; for others the name is all that counts."""


def submit(container: Container, jobs: int) -> list[str]:
    return [container.jobs.submit(NEW)[0].job.id for _ in range(jobs)]


def drained(container: Container, *, patience_s: float = 120.0) -> None:
    """Wait for the end of every job, as long as within `patience_s` there is one more."""
    left = unfinished(container)
    while left:
        wait_for(lambda left=left: unfinished(container) < left, "a job to end", patience_s)
        time.sleep(0.2)  # to count costs what is counted
        left = unfinished(container)


def unfinished(container: Container) -> int:
    with container.db.read() as session:
        return session.execute(
            select(func.count()).select_from(Job).where(Job.status.not_in(TERMINAL))
        ).scalar_one()


def check_each_ran_once(container: Container, jobs: int) -> None:
    """So many jobs, which have all succeeded, in one attempt and with one end each."""
    with container.db.read() as session:
        status = Counter(session.scalars(select(Job.status)))
        attempts = Counter(session.scalars(select(Attempt.job_id)))
        ends = Counter(
            event.job_id
            for event in session.scalars(select(Event).where(Event.type == "status"))
            if event.data["status"] in TERMINAL
        )
    assert status == {"succeeded": jobs}
    assert set(attempts.values()) == set(ends.values()) == {1}
    assert len(attempts) == len(ends) == jobs
