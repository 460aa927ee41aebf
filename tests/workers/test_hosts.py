"""A job over several hosts: worker processes of this machine, each a host of its own to the job."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from services.container import Container
from services.job_state import JobStatus
from services.job_views import JobView
from tests.workers.stations import events_of, outcomes, submit
from tests.workers.waiting import group_is_gone, wait_for
from tests.workers.worker_processes import Start, WorkerProcess, ended, in_training, ready

pytestmark = [pytest.mark.slow, pytest.mark.long]

SETTINGS = {"TORCHKILN_THREADS_PER_JOB": "1", "TORCHKILN_LEASE_S": "6", "TORCHKILN_GATHER_S": "20"}
FIT: dict[str, Any] = {"batch_size": 16, "optimizer": {"name": "sgd", "lr": 0.05}}
SHORT = FIT | {"epochs": 20}
LONG = FIT | {"epochs": 120, "pace_s": 0.02, "checkpoint_every": 10}
TWO = {"world_size": 2, "hosts": 2}
ENOUGH = TWO | {"min_world_size": 1}


def two(container: Container, start: Start) -> list[WorkerProcess]:
    workers = [start(**SETTINGS) for _ in range(2)]
    for worker in workers:
        ready(container, worker)
    wait_for(lambda: sum(bool(row.queues) for row in container.workers.list()) == 2, "both")
    return workers


def placed(workers: list[WorkerProcess], event: str) -> tuple[WorkerProcess, int]:
    """The worker that said it last, and the trainer that it said it of."""
    said = [(line["timestamp"], worker, line) for worker in workers for line in worker.said(event)]
    _, worker, line = max(said, key=lambda one: one[0])
    return worker, line["trainer_pid"]


def messages(container: Container, job_id: str) -> list[str]:
    return [event.message for event in events_of(container, job_id)]


def gathered(container: Container, job_id: str) -> str:
    """The one worker that the leader has found, the latest time."""
    found = [
        event.data["members"] for event in events_of(container, job_id) if event.data.get("members")
    ]
    (member,) = found[-1]
    return member


def learned(container: Container, view: JobView) -> list[float]:
    assert view.job.status == JobStatus.SUCCEEDED, messages(container, view.job.id)
    return view.job.results["weights"]


def test_two_hosts_learn_what_one_process_does(container: Container, start: Start) -> None:
    workers = two(container, start)
    job_id = submit(container, "fit", spread=TWO, **SHORT)
    view = ended(container, job_id)
    alone = ended(container, submit(container, "fit", **SHORT))
    assert learned(container, view) == pytest.approx(learned(container, alone), abs=1e-5)
    assert (view.job.results["world_size"], alone.job.results["world_size"]) == (2, 1)
    assert outcomes(view) == ["succeeded"]
    member, pid = placed(workers, "seat_taken")
    assert view.attempts[0].worker != gathered(container, job_id)
    wait_for(lambda: member.said("seat_over"), "the seat to be over")
    wait_for(lambda: group_is_gone(pid), "the ranks of the member to end")
    said = messages(container, job_id)
    assert [text for text in said if "hosts are there" in text or "ready" in text] == [
        "2 of 2 hosts are there, for 2 processes",
        "rank 0 of 2 is ready",
    ]


def test_a_member_that_is_killed_costs_an_attempt_and_the_others_go_on(
    container: Container, start: Start
) -> None:
    workers = two(container, start)
    job_id = submit(container, "fit", spread=ENOUGH, **LONG)
    in_training(container, job_id)
    member, pid = placed(workers, "seat_taken")
    member.process.kill()
    member.wait()
    wait_for(lambda: group_is_gone(pid), "its ranks to end with it")
    view = ended(container, job_id)
    assert learned(container, view) == pytest.approx([1.0, -2.0, 3.0, 0.5], abs=0.01)
    assert outcomes(view) == ["lost", "succeeded"]
    assert [attempt.exact for attempt in view.attempts] == [True, False]
    assert view.job.results["world_size"] == 1
    said = messages(container, job_id)
    assert "1 of 2 hosts are there, for 1 process" in said
    assert [text for text in said if text.startswith("continuing after epoch")]


def test_a_rank_that_is_killed_on_another_host_is_named_and_the_hosts_meet_again(
    container: Container, start: Start
) -> None:
    workers = two(container, start)
    job_id = submit(container, "fit", spread=TWO, **LONG)
    in_training(container, job_id)
    _, pid = placed(workers, "seat_taken")
    os.kill(pid, signal.SIGKILL)
    view = ended(container, job_id)
    assert learned(container, view) == pytest.approx([1.0, -2.0, 3.0, 0.5], abs=0.01)
    assert (outcomes(view), view.job.results["world_size"]) == (["lost", "succeeded"], 2)
    assert [attempt.exact for attempt in view.attempts] == [True, True]
    assert "the trainer of a host was ended by SIGKILL" in " ".join(messages(container, job_id))


def test_a_leader_that_is_killed_takes_no_member_with_it(
    container: Container, start: Start
) -> None:
    workers = two(container, start)
    job_id = submit(container, "fit", spread=ENOUGH, **LONG)
    in_training(container, job_id)
    leader, leading = placed(workers, "attempt_started")
    member, following = placed(workers, "seat_taken")
    leader.process.kill()
    leader.wait()
    for pid in (leading, following):
        wait_for(lambda pid=pid: group_is_gone(pid), "the ranks to end")
    assert member.process.poll() is None
    view = ended(container, job_id)
    assert learned(container, view) == pytest.approx([1.0, -2.0, 3.0, 0.5], abs=0.01)
    assert outcomes(view) == ["lost", "succeeded"]
    assert view.attempts[0].worker != view.attempts[1].worker


def test_what_fails_on_another_host_is_the_job_s_error(container: Container, start: Start) -> None:
    two(container, start)
    job_id = submit(container, "fit", spread=TWO, fail_rank=1, **SHORT)
    wait_for(lambda: outcomes(container.jobs.get(job_id))[:1] == ["oom"], "the first attempt")
    container.job_control.kill(job_id)
    assert "the run needs more memory than it has" in messages(container, job_id)


def test_a_member_that_is_told_to_stop_has_the_leader_save_for_all(
    container: Container, start: Start
) -> None:
    workers = two(container, start)
    job_id = submit(container, "fit", spread=ENOUGH, **LONG)
    in_training(container, job_id)
    member, _ = placed(workers, "seat_taken")
    member.signal(signal.SIGTERM)
    assert member.wait() == 0
    view = ended(container, job_id)
    assert outcomes(view) == ["released", "succeeded"]


def test_one_worker_is_not_two_hosts_and_the_job_waits_for_one_more(
    container: Container, start: Start
) -> None:
    first = start(TORCHKILN_JOB_SLOTS="2", TORCHKILN_RESEND_AFTER_S="1", **SETTINGS)
    ready(container, first)
    job_id = submit(container, "fit", spread=TWO, **SHORT)
    wait_for(
        lambda: container.jobs.get(job_id).waiting_for == "1 more host", "it to say what it needs"
    )
    other = submit(container, "count", epochs=1)
    assert ended(container, other).job.status == JobStatus.SUCCEEDED
    assert container.jobs.get(job_id).attempts == []
    start(**SETTINGS)
    view = ended(container, job_id)
    assert outcomes(view) == ["succeeded"]
    assert view.job.results["world_size"] == 2
