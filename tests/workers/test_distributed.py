"""Jobs of several processes: what their ranks say, and how all of them end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest

from services.container import Container
from services.job_request import NewJob
from services.job_state import JobStatus
from tests.workers.stations import events_of, outcomes, station
from tests.workers.trainers import MakeSpec, Spawn, last_word, told
from tests.workers.waiting import is_gone, wait_for
from workers.messages import Message, TrainSpec
from workers.process import COMMAND, TrainerProcess
from workers.station import Station
from workers.supervisor import JobSupervisor

pytestmark = [pytest.mark.slow, pytest.mark.long]

READY = "rank {} of 2 is ready"


@pytest.fixture
def of_two(spec: MakeSpec) -> MakeSpec:
    def make(pipeline: str, **params: object) -> TrainSpec:
        return replace(spec(pipeline, **params), ranks=["cpu", "cpu"])

    return make


def logs(messages: list[Message]) -> set[tuple[str, str, int]]:
    """`(level, message, rank)` of each."""
    return {(m["level"], m["message"], m["data"]["rank"]) for m in messages if m["type"] == "log"}


def both_ready(trainer: TrainerProcess) -> list[int]:
    """Wait until both ranks are. → their process ids."""
    pids: list[int] = []

    def look() -> bool:
        message = trainer.next(60)
        assert isinstance(message, dict), message
        pids.extend([message["data"]["pid"]] if message["type"] == "log" else [])
        return len(pids) == 2

    wait_for(look, "both ranks")
    return pids


def test_rank_0_speaks_for_the_run_and_each_for_what_it_prints(
    spawn: Spawn, of_two: MakeSpec
) -> None:
    trainer = spawn()
    trainer.start(of_two("talk"))
    messages, end = told(trainer)
    expected = {
        ("info", "line 0"),
        ("warning", "beside"),
        ("info", "from below \N{REPLACEMENT CHARACTER}"),
        ("warning", "told"),
    }
    assert logs(messages) == {(*said, rank) for said in expected for rank in (0, 1)} | {
        ("info", READY.format(rank), rank) for rank in (0, 1)
    }
    assert last_word(messages)["results"] == {"stdin": "", "directory": "work"}
    assert [m["type"] for m in messages if m["type"] != "log"] == ["resumed", "trained", "done"]
    assert (end.returncode, end.stderr) == (0, "")


def test_a_cancel_ends_all_ranks(spawn: Spawn, of_two: MakeSpec) -> None:
    trainer = spawn()
    trainer.start(of_two("count", epochs=100_000))
    pids = both_ready(trainer)
    titles = [Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode() for pid in pids]
    assert sorted(titles) == [f"torchkiln: trainer job_1 rank {rank}" for rank in (0, 1)]
    wait_for(lambda: (m := trainer.next(60)) and m["type"] == "checkpoint", "a checkpoint")
    trainer.control("cancel")
    messages, _ = told(trainer)
    assert last_word(messages) == {"type": "interrupted", "reason": "cancel"}
    assert all(map(is_gone, pids))


def test_no_rank_outlives_a_trainer_that_is_killed_not_even_one_that_stands_still(
    spawn: Spawn, of_two: MakeSpec
) -> None:
    trainer = spawn()
    trainer.start(of_two("count", epochs=100_000))
    pids = both_ready(trainer)
    os.kill(pids[1], signal.SIGSTOP)
    trainer.kill("test")
    assert trainer.wait(60)
    wait_for(lambda: all(map(is_gone, pids)), "the ranks to end")


def test_what_another_rank_fails_with_is_the_run_s_error(spawn: Spawn, of_two: MakeSpec) -> None:
    trainer = spawn()
    trainer.start(of_two("alone", rank=1))
    messages, _ = told(trainer)
    expected = "the run needs more memory than it has"
    assert last_word(messages) == {"type": "error", "code": "oom", "message": expected}


@pytest.fixture
def here(local_container: Container) -> Generator[Station]:
    with station(local_container, trainer=COMMAND) as made:
        yield made


def test_a_job_that_loses_a_rank_goes_on_from_its_checkpoint_and_is_as_good_as_ever(
    here: Station, local_container: Container
) -> None:
    params = {"epochs": 60, "batch_size": 128, "optimizer": {"lr": 0.1}, "checkpoint_every": 5}
    new = NewJob("linear-regression", params, model="line", world_size=2)
    job_id = local_container.jobs.submit(new)[0].job.id
    attempt = threading.Thread(target=JobSupervisor(here).run, args=(job_id,))
    attempt.start()
    wait_for(lambda: local_container.jobs.checkpoints(job_id), "a checkpoint")
    os.kill(_pid(local_container, job_id, rank=1), signal.SIGKILL)
    attempt.join(120)
    view = local_container.jobs.get(job_id)
    assert (view.job.status, outcomes(view)) == (JobStatus.QUEUED, ["lost"])
    JobSupervisor(here).run(job_id)
    view = local_container.jobs.get(job_id)
    messages = [event.message for event in events_of(local_container, job_id)]
    assert (view.job.status, outcomes(view)) == (JobStatus.SUCCEEDED, ["lost", "succeeded"])
    assert "rank 1 of 2 was ended by SIGKILL" in messages
    assert [message for message in messages if message.startswith("continuing after epoch")]
    assert view.job.results["epochs"] == 60
    assert view.job.results["max_abs_weight_error"] < 0.02
    assert view.job.placed_device == "cpu"
    version = local_container.registry.version("line")
    assert {state["status"] for state in version.row.backends.values()} == {"certified"}


def _pid(container: Container, job_id: str, *, rank: int) -> int:
    (ready,) = (
        event for event in events_of(container, job_id) if event.message == READY.format(rank)
    )
    return ready.data["pid"]
