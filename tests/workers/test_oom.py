"""Running out of memory: within a limit, or because the kernel says so."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from services.container import Container
from services.job_state import JobStatus
from tests.workers.stations import events_of, outcomes, station, submit
from tests.workers.trainers import MakeSpec, Spawn, last_word, told
from tests.workers.waiting import wait_for
from workers import oom
from workers.supervisor import JobSupervisor

MIB = 2**20


def test_a_run_gets_so_much_memory_and_its_neighbour_too(spawn: Spawn, spec: MakeSpec) -> None:
    greedy, modest = spawn(memory_bytes=128 * MIB), spawn(memory_bytes=128 * MIB)
    greedy.start(spec("hog", mib=512))
    modest.start(spec("hog", mib=64))
    messages, end = told(greedy)
    assert (last_word(messages)["code"], end.returncode) == ("oom", 0)
    assert last_word(told(modest)[0])["results"] == {"mib": 64}


def test_without_a_limit_there_is_none(spawn: Spawn, spec: MakeSpec) -> None:
    trainer = spawn()
    trainer.start(spec("hog", mib=512))
    assert last_word(told(trainer)[0])["results"] == {"mib": 512}


def test_the_kernel_takes_a_trainer_first(spawn: Spawn) -> None:
    trainer = spawn()
    wait_for(lambda: trainer.ready, "it to be ready")
    own, theirs = (
        int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in ("self", trainer.pid)
    )
    assert theirs == min(1000, own + 500)


@pytest.mark.parametrize("counted", [True, False])
def test_a_killed_trainer_was_out_of_memory_where_the_kernel_has_counted_it(
    local_container: Container, monkeypatch: pytest.MonkeyPatch, *, counted: bool
) -> None:
    counter = itertools.count() if counted else itertools.repeat(7)
    monkeypatch.setattr(oom, "kills", lambda: next(counter))
    job_id = submit(local_container, "count", epochs=3, crash_at=1)
    with station(local_container) as here:
        JobSupervisor(here).run(job_id)
    view = local_container.jobs.get(job_id)
    assert outcomes(view) == ["oom" if counted else "lost"]
    assert view.job.status == JobStatus.QUEUED
    (event,) = [event for event in events_of(local_container, job_id) if event.level == "error"]
    assert event.message == "the trainer was ended by SIGKILL" + ", for want of memory" * counted


@pytest.mark.parametrize(
    ("memberships", "files", "kills"),
    [
        ("", {"proc/vmstat": "pgfault 9\noom_kill 3\n"}, 3),
        ("0::/a/b\n", {"sys/fs/cgroup/a/b/memory.events": "oom 9\noom_kill 2\n"}, 2),
        ("0::/a/b\n", {"sys/fs/cgroup/memory.events": "oom_kill 1\n"}, 1),
        (
            "4:cpu,memory:/x\n0::/y\n",
            {
                "sys/fs/cgroup/memory/x/memory.oom_control": "under_oom 0\noom_kill 5\n",
                "proc/vmstat": "oom_kill 5\n",
            },
            10,
        ),
        ("0::/a\n", {}, 0),
    ],
)
def test_the_kernels_counters_are_found(
    tmp_path: Path, memberships: str, files: dict[str, str], kills: int
) -> None:
    for name, text in {**files, "proc/self/cgroup": memberships}.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert oom.kills(tmp_path) == kills
