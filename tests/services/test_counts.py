"""Jobs by state and by queue, without looking at those that have ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest
from sqlalchemy import text, update

from services import counts
from services.container import Container
from services.counts import UNFINISHED, FinishedCounts
from services.db.tables import Benchmark, Job
from services.errors import Unavailable
from services.job_state import TERMINAL, JobStatus
from tests.services.factories import submit
from tests.workers.waiting import wait_for


def become(container: Container, job_id: str, status: JobStatus) -> None:
    with container.db.write() as session:
        session.execute(update(Job).where(Job.id == job_id).values(status=status))


def test_every_state_is_told_and_each_job_once(container: Container) -> None:
    for status in (JobStatus.RUNNING, JobStatus.RUNNING, JobStatus.FAILED):
        become(container, submit(container), status)
    submit(container)
    open_jobs = counts.by_status(container.db, Job)
    assert set(open_jobs) == UNFINISHED
    assert (open_jobs[JobStatus.RUNNING], open_jobs[JobStatus.QUEUED]) == (2, 1)
    assert counts.by_status(container.db, Job, TERMINAL)[JobStatus.FAILED] == 1
    assert sum(counts.by_status(container.db, Benchmark).values()) == 0


def test_queued_jobs_are_told_by_the_queue_that_they_are_in(container: Container) -> None:
    for device in ("auto", "cpu", "cuda", "cuda:1", "cuda:1"):
        submit(container, device=device)
    become(container, submit(container, device="cuda"), JobStatus.RUNNING)
    assert counts.queued_jobs(container.db) == {"cpu": 2, "gpu": 3}


def test_a_job_whose_worker_is_silent_is_told_until_it_is_swept(container: Container) -> None:
    claim = container.attempts.claim(submit(container), "worker")
    assert claim is not None
    assert counts.lapsed_jobs(container.db) == 0
    with container.db.write() as session:
        past = container.db.now(session) - timedelta(seconds=1)
        session.execute(update(Job).values(lease_until=past))
    assert counts.lapsed_jobs(container.db) == 1
    report = container.sweeper.sweep()
    assert (report.lost, report.pipelines) == (1, [claim.job.pipeline])
    assert counts.lapsed_jobs(container.db) == 0


def test_what_has_ended_is_counted_again_after_a_while(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "PAUSE_S", 0.0)
    ended = FinishedCounts(container.db, Job)
    wait_for(ended.latest, "the first count")
    assert set(ended.latest()) == TERMINAL
    become(container, submit(container), JobStatus.FAILED)
    wait_for(lambda: ended.latest()[JobStatus.FAILED] == 1, "the next count")


def test_counting_what_has_ended_takes_a_share_of_the_time(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[type] = []

    def slow(*_: object) -> Mapping[JobStatus, int]:
        asked.append(Job)
        return {JobStatus.FAILED: 7}

    monkeypatch.setattr(counts, "by_status", slow)
    monkeypatch.setattr(counts, "PAUSE_S", 3600.0)
    ended = FinishedCounts(container.db, Job)
    wait_for(ended.latest, "the first count")
    for _ in range(5):
        assert ended.latest() == {JobStatus.FAILED: 7}
    assert len(asked) == 1


def test_what_was_counted_is_told_while_the_database_is_away(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "PAUSE_S", 0.0)
    ended = FinishedCounts(container.db, Job)
    wait_for(ended.latest, "the first count")

    def fail() -> None:
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(container.db, "read", fail)
    for _ in range(3):
        assert set(ended.latest()) == TERMINAL


def test_a_scrape_reads_no_row_of_a_job_that_has_ended(container: Container) -> None:
    """As SQLite plans it: by an index on the state, and never the whole table."""
    if not container.db.is_sqlite:
        pytest.skip("PostgreSQL plans by the table's size")
    for query in (
        "SELECT status, count(*) FROM jobs WHERE status IN ('queued', 'running') GROUP BY status",
        "SELECT device, count(*) FROM jobs WHERE status = 'queued' GROUP BY device",
    ):
        with container.db.read() as session:
            plan = session.execute(text(f"EXPLAIN QUERY PLAN {query}")).all()
        assert any("SEARCH jobs USING" in row.detail for row in plan)
        assert not any("SCAN" in row.detail for row in plan)
