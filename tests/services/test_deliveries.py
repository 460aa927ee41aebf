"""News of jobs: written with what it tells of, taken by one sender at a time."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from sqlalchemy import update

from services.container import Container
from services.db.tables import Delivery, Job
from services.deliveries import PER_HOST
from services.job_state import Outcome
from tests.services import factories

PAST = datetime(2000, 1, 1, tzinfo=UTC)


def wanting_news(container: Container, url: str = "https://a.example/hook") -> str:
    """→ the id of a queued job with a webhook."""
    job_id = factories.submit(container)
    with container.db.write() as session:
        session.execute(update(Job).where(Job.id == job_id).values(webhook=url))
    return job_id


def told(container: Container, job_id: str) -> list[str]:
    return [row.payload["type"] for row in container.deliveries.list(job_id)]


def cancelled(container: Container, url: str = "https://a.example/hook") -> str:
    """→ the id of a job whose end is to be told."""
    job_id = wanting_news(container, url)
    container.job_control.cancel(job_id)
    return job_id


def make_due(container: Container) -> None:
    with container.db.write() as session:
        session.execute(update(Delivery).where(Delivery.due_at.is_not(None)).values(due_at=PAST))


def test_an_end_is_told_with_what_it_is(container: Container) -> None:
    job_id = wanting_news(container)
    assert container.attempts.finish(factories.claimed(container, job_id), Outcome.LOST)
    assert told(container, job_id) == [], "it goes on"
    claim = factories.claimed(container, job_id)
    container.attempts.finish(claim, Outcome.ERROR, code="diverged", message="x" * 5000)
    (row,) = container.deliveries.list(job_id)
    ended = container.jobs.get(job_id).job.finished_at
    assert (row.url, row.tries, row.due_at) == ("https://a.example/hook", 0, row.created_at)
    assert row.created_at == ended
    assert datetime.fromisoformat(row.payload["timestamp"]) == ended
    assert row.payload["type"] == "job.failed"
    assert row.payload["data"] == {
        "id": job_id,
        "status": "failed",
        "pipeline": "binary-classification",
        "model": "binary-classification",
        "model_version": None,
        "attempt": 2,
        "error": {"code": "diverged", "message": "x" * 1000},
        "url": f"/v1/jobs/{job_id}",
    }


def test_success_is_told_with_its_version(container: Container) -> None:
    claim = factories.claimed(container, wanting_news(container))
    assert container.attempts.succeed(claim, {}, factories.new_version(container, claim))
    (row,) = container.deliveries.list(claim.job.id)
    data = row.payload["data"]
    assert (row.payload["type"], data["model_version"]) == ("job.succeeded", 1)
    assert (data["attempt"], data["error"]) == (1, None)


def test_what_did_not_happen_and_what_nobody_asked_for_is_not_told(container: Container) -> None:
    job_id = wanting_news(container)
    old = factories.claimed(container, job_id)
    container.attempts.finish(old, Outcome.LOST)
    assert not container.attempts.succeed(old, {})
    assert told(container, job_id) == []
    container.job_control.cancel(job_id)
    assert told(container, job_id) == ["job.cancelled"]
    silent = factories.submit(container)
    container.job_control.cancel(silent)
    assert told(container, silent) == []


def test_of_many_senders_one_takes_a_delivery(container: Container) -> None:
    jobs = [cancelled(container, f"https://host-{number}.example/") for number in range(5)]
    start = threading.Barrier(4)
    taken: list[Delivery] = []

    def take() -> None:
        start.wait()
        taken.extend(container.deliveries.take(10))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row.job_id for row in taken) == sorted(jobs)
    assert {row.tries for row in taken} == {1}
    assert container.deliveries.take(10) == []


def test_a_sender_that_was_too_slow_changes_nothing_but_that_it_arrived(
    container: Container,
) -> None:
    job_id = cancelled(container)
    (old,) = container.deliveries.take(1)
    make_due(container)
    (new,) = container.deliveries.take(1)
    assert (old.tries, new.tries) == (1, 2)
    container.deliveries.failed(old, "too slow", None)
    (row,) = container.deliveries.list(job_id)
    assert (row.error, row.due_at) == (None, new.due_at)
    container.deliveries.arrived(old)
    container.deliveries.failed(new, "the receiver had it already", 0)
    (row,) = container.deliveries.list(job_id)
    assert (row.delivered_at is not None, row.due_at, row.error) == (True, None, None)


def test_one_host_never_takes_all_the_room(container: Container) -> None:
    for _ in range(PER_HOST + 2):
        cancelled(container)
    other = cancelled(container, "https://b.example/")
    taken = container.deliveries.take(16)
    assert len(taken) == PER_HOST + 1
    assert other in {row.job_id for row in taken}
    mine = [row for row in taken if row.job_id != other]
    assert container.deliveries.take(16, mine) == []
    assert len(container.deliveries.take(1, mine[:2])) == 1
