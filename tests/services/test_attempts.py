from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from services.attempt_files import NewArtifact
from services.attempts import Report
from services.claims import Claim
from services.container import Container
from services.db.tables import Benchmark, Job
from services.events import NewEvent
from services.job_state import JobStatus, Outcome
from tests.services import factories
from tests.services.conftest import RecordingQueue

PAST = datetime(2000, 1, 1, tzinfo=UTC)


def let_lapse(container: Container, table: type[Job] | type[Benchmark] = Job) -> None:
    """Move every lease into the past, as the database's clock would in time."""
    with container.db.write() as session:
        session.execute(
            update(table).where(table.lease_until.is_not(None)).values(lease_until=PAST)
        )


def outcomes(container: Container, job_id: str) -> list[str | None]:
    return [attempt.outcome for attempt in container.jobs.get(job_id).attempts]


def test_one_of_many_claims_wins(container: Container) -> None:
    job_id = factories.submit(container)
    start = threading.Barrier(6)
    claims: list[Claim | None] = []

    def claim(number: int) -> None:
        start.wait()
        claims.append(container.attempts.claim(job_id, f"worker-{number}"))

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claims) == 6
    assert len([won for won in claims if won is not None]) == 1
    assert len(container.jobs.get(job_id).attempts) == 1


def test_an_attempt_reports_and_ends_well(container: Container, tmp_path: Path) -> None:
    claim = factories.running(container)
    told = Report(
        [NewEvent("log", "hello"), NewEvent("metrics", "epoch 1", data={"loss": 0.5})],
        {"epoch": 1, "epochs": 2, "step": 10, "steps": 20, "percent": 50.0, "eta_s": 1.0},
        {"loss": 0.5},
        "cpu",
    )
    assert container.attempts.record(claim, told)
    plot = tmp_path / "plot.png"
    plot.write_bytes(b"png")
    artifact = NewArtifact(plot, "plot.png", "A plot", "image/png", 3, "0" * 64)
    assert container.attempt_files.add_artifact(claim, artifact)
    assert container.attempts.succeed(
        claim, {"accuracy": 1.0}, factories.new_version(container, claim)
    )

    view = container.jobs.get(claim.job.id)
    assert (view.job.status, view.job.model_version) == ("succeeded", 1)
    assert (view.job.metrics, view.job.results) == ({"loss": 0.5}, {"accuracy": 1.0})
    assert view.job.placed_device == "cpu"
    assert [status for status, _ in view.transitions] == ["queued", "running", "succeeded"]
    assert outcomes(container, claim.job.id) == ["succeeded"]
    events, last = container.events.since(claim.job.id, 0)
    assert last
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.type for event in events] == [
        *("status", "status", "log", "metrics", "artifact", "log", "status")
    ]
    stored = container.jobs.artifact(claim.job.id, "plot.png")
    assert container.storage.local_path(stored.key).read_bytes() == b"png"


def test_events_continue_where_a_reader_left_off(container: Container) -> None:
    claim = factories.running(container)
    container.attempts.record(claim, Report([NewEvent("log", str(n)) for n in range(7)]))
    page = container.events.list(claim.job.id, after=2, limit=4)
    assert [event.message for event in page.data] == ["0", "1", "2", "3"]
    assert page.has_more
    rest, last = container.events.since(claim.job.id, page.data[-1].seq)
    assert [event.message for event in rest] == ["4", "5", "6"]
    assert not last


def test_whoever_lost_the_lease_can_write_nothing(
    container: Container, queue: RecordingQueue, tmp_path: Path
) -> None:
    old = factories.running(container)
    let_lapse(container)
    assert container.sweeper.sweep().lost == 1
    assert queue.woken == [old.job.id, old.job.id]
    new = factories.claimed(container, old.job.id, "worker-2")
    before = container.jobs.get(old.job.id)
    stored = sorted(container.settings.files_dir.rglob("*.pt"))

    assert container.attempts.beat(old) is None
    assert container.attempts.look(old) is None
    assert not container.attempts.record(old, Report([NewEvent("log", "me")], metrics={"a": 1.0}))
    assert (
        container.attempt_files.add_checkpoint(old, factories.checkpoint(tmp_path, step=9)) is None
    )
    assert not container.attempts.succeed(old, {"x": 1}, factories.new_version(container, old))
    for outcome in Outcome:
        assert container.attempts.finish(old, outcome, message="me") is None

    after = container.jobs.get(old.job.id)
    assert after.job.event_seq == before.job.event_seq
    assert (after.job.status, after.job.token, after.job.metrics) == ("running", 2, {})
    assert sorted(container.settings.files_dir.rglob("*.pt")) == stored
    assert container.registry.models().data == []
    assert container.attempts.succeed(new, {}, factories.new_version(container, new))
    assert outcomes(container, old.job.id) == ["lost", "succeeded"]


def test_the_sweeper_leaves_a_live_lease_alone(container: Container) -> None:
    claim = factories.running(container)
    assert container.sweeper.sweep().lost == 0
    let_lapse(container)
    assert container.attempts.beat(claim) is not None, "nobody took it, so it may be prolonged"
    assert container.sweeper.sweep().lost == 0


@pytest.mark.parametrize("outcome", [Outcome.LOST, Outcome.OOM, Outcome.STALLED])
def test_an_end_that_another_attempt_may_not_share_is_retried_three_times(
    container: Container, outcome: Outcome
) -> None:
    job_id = factories.submit(container)
    ends = [
        container.attempts.finish(factories.claimed(container, job_id), outcome, message="gone")
        for _ in range(3)
    ]
    assert ends == [JobStatus.QUEUED, JobStatus.QUEUED, JobStatus.FAILED]
    job = container.jobs.get(job_id).job
    assert (job.error_code, job.error_message) == (outcome.value, "gone")


def test_an_error_of_the_pipelines_own_is_final(container: Container) -> None:
    claim = factories.running(container)
    status = container.attempts.finish(
        claim, Outcome.ERROR, code="diverged", message="the loss is NaN at epoch 3"
    )
    assert status is JobStatus.FAILED
    job = container.jobs.get(claim.job.id).job
    assert (job.error_code, job.error_message) == ("diverged", "the loss is NaN at epoch 3")


def test_a_released_job_has_used_up_no_attempt(container: Container) -> None:
    job_id = factories.submit(container)
    for _ in range(5):
        claim = factories.claimed(container, job_id)
        assert container.attempts.finish(claim, Outcome.RELEASED) is JobStatus.QUEUED
    claim = factories.claimed(container, job_id)
    assert container.attempts.finish(claim, Outcome.LOST) is JobStatus.QUEUED


def test_a_job_that_is_being_cancelled_is_not_tried_again(container: Container) -> None:
    claim = factories.running(container)
    container.job_control.cancel(claim.job.id)
    let_lapse(container)
    assert container.sweeper.sweep().lost == 1
    assert container.jobs.get(claim.job.id).job.status == "cancelled"


def test_the_best_the_last_and_the_one_before_are_kept_and_the_last_is_resumed(
    container: Container, tmp_path: Path
) -> None:
    claim = factories.running(container)
    for step in range(1, 7):
        new = factories.checkpoint(tmp_path, step=step, best=step in {1, 3})
        assert container.attempt_files.add_checkpoint(claim, new)
    rows = container.jobs.checkpoints(claim.job.id)
    assert [(row.step, row.best) for row in rows] == [(6, False), (5, False), (3, True)]
    assert len(list(container.settings.files_dir.rglob("*.pt"))) == 3
    assert container.attempts.finish(claim, Outcome.LOST) is JobStatus.QUEUED
    again = factories.claimed(container, claim.job.id)
    assert again.number == 2
    assert [point.key for point in again.resume_points] == [row.key for row in rows]


def test_nothing_is_sent_again_while_enough_messages_wait(
    container: Container, queue: RecordingQueue
) -> None:
    on_cpu, on_gpu = factories.submit(container), factories.submit(container, device="cuda")
    queue.woken.clear()
    for full, woken in (({"cpu": 100, "gpu": 99}, [on_gpu]), ({"cpu": 0, "gpu": 500}, [on_cpu])):
        with container.db.write() as session:
            session.execute(update(Job).values(woken_at=PAST))
        queue.messages.update(full)
        container.sweeper.sweep()
        assert queue.woken == woken
        queue.woken.clear()


def test_a_wake_up_that_was_lost_is_sent_again(container: Container, queue: RecordingQueue) -> None:
    urgent = [factories.submit(container, priority=priority) for priority in (1, 9, 5)]
    queue.woken.clear()
    assert container.sweeper.sweep().woken == 0, "they were sent a moment ago"
    with container.db.write() as session:
        session.execute(update(Job).values(woken_at=PAST))
    assert container.sweeper.sweep().woken == 3
    assert queue.woken == [urgent[1], urgent[2], urgent[0]]
    assert container.sweeper.sweep().woken == 0
