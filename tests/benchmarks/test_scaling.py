"""The loads of `benchmarks.scaling` do what their names say, without the time that they take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import registry
from benchmarks.scaling import bytes_left, count_ms, pace
from benchmarks.scaling_loads import Loads, all_loads
from services import counts
from services.db.tables import Job
from services.job_state import TERMINAL, JobStatus


@pytest.fixture
def loads(tmp_path: Path) -> Iterator[Loads]:
    with registry.empty(tmp_path) as container:
        yield Loads(container)


def test_each_load_can_be_made_again_and_again(loads: Loads) -> None:
    for begin in all_loads(loads).values():
        once = begin()
        once()
        once()


def test_a_job_ends_and_leaves_its_events(loads: Loads) -> None:
    loads.publishing_job()()
    [view] = loads.container.jobs.list().data
    assert view.job.status == JobStatus.SUCCEEDED
    assert view.job.model_version == 1
    events = loads.container.events.list(view.job.id, limit=200).data
    assert sum(event.type == "metrics" for event in events) == 10


def test_a_pace_counts_what_was_done(loads: Loads) -> None:
    calls: list[int] = []
    found = pace(lambda: lambda: calls.append(1), 2, 0.02, lambda: 0.0)
    assert found.a_second > 0
    assert found.server_ms == 0
    assert calls


def test_bytes_are_of_what_was_written(loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.scaling.SIZED_JOBS", 20)
    monkeypatch.setattr("benchmarks.scaling.SIZED_EVENTS", 400)
    job, event = bytes_left(loads)
    assert job > event > 50


def test_there_are_as_many_more_jobs_as_are_to_be_counted(loads: Loads) -> None:
    assert min(count_ms(loads, 100)) > 0
    assert counts.by_status(loads.container.db, Job, TERMINAL)[JobStatus.SUCCEEDED] == 101
