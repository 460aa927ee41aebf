"""The worker process over a real broker: jobs come in by messages, and leave by signals."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
import redis

from services.container import Container
from services.job_state import JobStatus
from tests.support import valkey
from tests.workers.stations import events_of, outcomes, submit
from tests.workers.waiting import group_is_gone, wait_for
from tests.workers.worker_processes import Start, ended, in_training, ready
from workers.signals import Signals
from workers.worker import NotStarted, Worker


def test_a_job_that_is_submitted_is_run(container: Container, start: Start) -> None:
    worker = start()
    ready(container, worker)
    (row,) = container.workers.list()
    assert (row.pid, row.queues, row.slots) == (worker.process.pid, ["cpu"], 1)
    assert row.devices == [{"name": "cpu"}]
    job_id = submit(container, "count", epochs=3)
    view = ended(container, job_id)
    assert view.job.status == JobStatus.SUCCEEDED, events_of(container, job_id)
    assert view.attempts[0].worker == row.id
    (began,) = worker.said("attempt_started")
    assert (began["job_id"], began["request_id"], began["attempt"]) == (job_id, "req_1", 1)


@pytest.mark.long
def test_a_worker_with_an_accelerator_takes_jobs_for_it(container: Container, start: Start) -> None:
    job_id = submit(container, "count", device="cuda", epochs=1)
    plain = start()
    ready(container, plain)
    other = submit(container, "count", epochs=1)
    assert ended(container, other).job.placed_device == "cpu"
    assert container.jobs.get(job_id).job.status == JobStatus.QUEUED
    plain.signal(signal.SIGTERM)
    assert plain.wait() == 0
    start(DEVICES_OF_THE_TEST="cpu,cuda:0")
    assert ended(container, job_id).job.placed_device == "cuda:0"
    (row,) = container.workers.list()
    assert row.queues == ["cpu", "gpu"]
    anywhere = submit(container, "count", device="auto", epochs=1)
    assert ended(container, anywhere).job.results["device"] == "cuda:0"


@pytest.mark.long
def test_a_queue_whose_slots_are_taken_does_not_hold_up_the_other(
    container: Container, start: Start
) -> None:
    worker = start(DEVICES_OF_THE_TEST="cpu,cuda:0", TORCHKILN_RESEND_AFTER_S="1")
    ready(container, worker)
    (row,) = container.workers.list()
    assert (row.queues, row.slots) == (["cpu", "gpu"], 2)
    long = submit(container, "count", device="cpu", epochs=100_000)
    in_training(container, long)
    waiting = submit(container, "count", device="cpu", epochs=1)
    for _ in range(2):
        other = submit(container, "count", device="cuda", epochs=1)
        assert ended(container, other).job.status == JobStatus.SUCCEEDED
    assert container.jobs.get(waiting).job.status == JobStatus.QUEUED
    container.job_control.kill(long)
    assert ended(container, waiting).job.status == JobStatus.SUCCEEDED


def test_as_many_jobs_run_at_once_as_there_are_slots(container: Container, start: Start) -> None:
    worker = start(TORCHKILN_JOB_SLOTS="2")
    ready(container, worker)
    long = [submit(container, "count", epochs=100_000) for _ in range(2)]
    for job_id in long:
        in_training(container, job_id)
    short = submit(container, "count", epochs=1)
    held = wait_for(
        lambda: (rows := container.workers.list()) and len(rows[0].current_jobs) == 2 and rows[0],
        "the worker to tell of both",
    )
    assert sorted(held.current_jobs) == sorted(long)
    assert container.jobs.get(short).job.status == JobStatus.QUEUED
    container.job_control.kill(long[0])
    assert ended(container, short).job.status == JobStatus.SUCCEEDED
    container.job_control.cancel(long[1])
    assert ended(container, long[1]).job.status == JobStatus.CANCELLED


def test_a_worker_that_is_told_to_stop_hands_its_job_to_the_next(
    container: Container, start: Start
) -> None:
    first = start()
    ready(container, first)
    job_id = submit(container, "count", epochs=100_000)
    in_training(container, job_id)
    first.signal(signal.SIGTERM)
    assert first.wait() == 0, first.log.read_text()
    view = container.jobs.get(job_id)
    assert view.job.status == JobStatus.QUEUED
    assert outcomes(view) == ["released"]
    assert container.workers.list() == []
    assert [*container.settings.work_dir.iterdir()] == []
    assert group_is_gone(first.said("attempt_started")[0]["trainer_pid"])
    second = start()
    wait_for(lambda: len(container.jobs.get(job_id).attempts) == 2, "the next attempt")
    in_training(container, job_id)
    container.job_control.cancel(job_id)
    view = ended(container, job_id)
    assert outcomes(view) == ["released", "cancelled"]
    second.signal(signal.SIGINT)
    assert second.wait() == 0


def test_a_second_signal_does_not_wait(container: Container, start: Start) -> None:
    worker = start()
    ready(container, worker)
    job_id = submit(container, "count", epochs=100_000, stubborn=True)
    in_training(container, job_id)
    worker.signal(signal.SIGTERM)
    wait_for(lambda: worker.said("worker_leaving"), "it to begin to leave")
    worker.signal(signal.SIGINT)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 1
    assert worker.said("worker_cut_short")


def test_a_killed_worker_takes_its_trainers_along_and_its_job_goes_on(
    container: Container, start: Start
) -> None:
    first = start(TORCHKILN_LEASE_S="3")
    ready(container, first)
    job_id = submit(container, "count", epochs=20, crash_at=0)
    in_training(container, job_id)
    (began,) = first.said("attempt_started")
    first.process.kill()
    first.wait()
    wait_for(lambda: group_is_gone(began["trainer_pid"]), "its trainer to end")
    start(TORCHKILN_LEASE_S="3")
    view = ended(container, job_id)
    assert outcomes(view) == ["lost", "succeeded"]
    assert view.job.results["began"] > 0
    events_of(container, job_id)


def test_a_broker_that_is_restarted_and_empty_loses_no_job(
    container: Container, start: Start, broker: valkey.Valkey
) -> None:
    worker = start(TORCHKILN_RESEND_AFTER_S="1")
    ready(container, worker)
    running = submit(container, "count", epochs=100_000)
    in_training(container, running)
    waiting = submit(container, "count", epochs=1)
    broker.stop()
    lost = submit(container, "count", epochs=1)
    shutil.rmtree(broker.directory)
    container.job_control.cancel(running)
    assert ended(container, running).job.status == JobStatus.CANCELLED
    broker.start()
    for job_id in (waiting, lost):
        assert ended(container, job_id).job.status == JobStatus.SUCCEEDED
        assert outcomes(container.jobs.get(job_id)) == ["succeeded"]


def test_a_broker_that_may_not_be_written_to_for_a_while_costs_delay_only(
    container: Container, start: Start, broker: valkey.Valkey
) -> None:
    """As that of a replicated Redis while another server takes over."""
    worker = start(TORCHKILN_RESEND_AFTER_S="1")
    ready(container, worker)
    running = submit(container, "count", epochs=100_000)
    in_training(container, running)
    with redis.Redis(port=broker.port) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        waiting = submit(container, "count", epochs=1)
        container.job_control.cancel(running)
        assert ended(container, running).job.status == JobStatus.CANCELLED
        wait_for(lambda: any("read only" in line["event"] for line in worker.lines()), "refusals")
        client.execute_command("REPLICAOF", "NO", "ONE")
        client.flushall()
    assert ended(container, waiting).job.status == JobStatus.SUCCEEDED
    assert outcomes(container.jobs.get(running)) == ["cancelled"]
    assert worker.process.poll() is None


def test_a_worker_stops_while_its_broker_is_away(
    container: Container, start: Start, broker: valkey.Valkey
) -> None:
    worker = start()
    ready(container, worker)
    broker.stop()
    wait_for(lambda: any("Cannot connect" in line["event"] for line in worker.lines()), "it")
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_the_same_message_many_times_is_one_attempt(container: Container, start: Start) -> None:
    job_id = submit(container, "count", epochs=3)
    for _ in range(20):
        container.queue.wake_job(container.jobs.get(job_id).job)
    start()
    view = ended(container, job_id)
    assert outcomes(view) == ["succeeded"]


def test_a_worker_stops_before_it_is_ready(start: Start) -> None:
    worker = start()
    wait_for(lambda: worker.log.exists() and worker.said("worker_started"), "it to start")
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_wrong_settings_are_named(start: Start) -> None:
    nameless = start("-m", "workers", TORCHKILN_REDIS_URL="")
    assert nameless.wait() == 2
    assert "TORCHKILN_REDIS_URL" in nameless.log.read_text()
    wrong = start("-m", "workers", TORCHKILN_JOB_SLOTS="many")
    assert wrong.wait() == 2
    assert "TORCHKILN_JOB_SLOTS: Input should be a valid integer" in wrong.log.read_text()


def test_a_worker_whose_parts_do_not_answer_says_which(
    container: Container, broker: valkey.Valkey, tmp_path: Path
) -> None:
    broker.stop()
    with Signals() as signals, pytest.raises(NotStarted, match="broker: the broker does not"):
        Worker(container, startup_s=0.1).run(signals)
    broker.start()
    empty = Container(container.settings.model_copy(update={"data_dir": tmp_path}))
    with Signals() as signals, pytest.raises(NotStarted, match="schema is not current"):
        Worker(empty, startup_s=0.1).run(signals)
    empty.close()
