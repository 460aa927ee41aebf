"""The queries that workers are scaled by count the work that their pods would do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from services.db.tables import Base, Benchmark, Job
from services.job_state import ACTIVE, JobStatus
from services.queue import queue_for
from tests.support.kubernetes import Rendered, main

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COUNTED = ACTIVE | {JobStatus.QUEUED}


@pytest.fixture(scope="module")
def gpu() -> Rendered:
    return Rendered("gpu")


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as made:
        yield made
    engine.dispose()


def job(number: int, **fields: Any) -> Job:
    usual: dict[str, Any] = {
        "params": {},
        "seed": 0,
        "world_size": 1,
        "priority": 0,
        "promote": "never",
        "meta": {},
        "stop": {},
        "metrics": {},
        "results": {},
    }
    return Job(
        id=f"job_{number}",
        pipeline="regression",
        request_sha256="",
        woken_at=NOW,
        created_at=NOW,
        **usual | fields,
    )


def needed(session: Session, gpu: Rendered, name: str) -> int:
    """What the query of a ScaledObject says."""
    [trigger] = gpu.one("ScaledObject", name)["spec"]["triggers"]
    return session.execute(text(trigger["metadata"]["query"])).scalar_one()


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:1"])
def test_jobs_that_wait_or_run_are_counted_for_the_workers_of_their_queue(
    session: Session, gpu: Rendered, device: str
) -> None:
    session.add_all(job(n, status=status, device=device) for n, status in enumerate(JobStatus))
    found = {name: needed(session, gpu, f"torchkiln-worker-{name}") for name in ("cpu", "gpu")}
    assert found == {"cpu": 0, "gpu": 0} | {queue_for(device): len(COUNTED)}


def test_a_job_that_runs_on_a_gpu_is_counted_there_whatever_it_asked_for(
    session: Session, gpu: Rendered
) -> None:
    session.add(job(1, status="running", device="auto", placed_device="cuda:0"))
    session.add(job(2, status="running", device="auto", placed_device="cpu"))
    assert needed(session, gpu, "torchkiln-worker-gpu") == 1
    assert needed(session, gpu, "torchkiln-worker-cpu") == 1


def test_a_job_over_several_hosts_is_counted_once_for_each(session: Session, gpu: Rendered) -> None:
    session.add(job(1, status="queued", device="cpu", world_size=6, hosts=3))
    session.add(job(2, status="running", device="cuda", world_size=2, hosts=2))
    assert needed(session, gpu, "torchkiln-worker-cpu") == 3
    assert needed(session, gpu, "torchkiln-worker-gpu") == 2


def test_benchmarks_are_counted_unless_they_wait_for_a_host(
    session: Session, gpu: Rendered
) -> None:
    kinds = [("queued", None), ("queued", "gone"), ("running", "here"), ("succeeded", "here")]
    for number, (status, host) in enumerate(kinds):
        fields = {"model": "m", "version": 1, "request": {}, "woken_at": NOW, "created_at": NOW}
        session.add(Benchmark(id=f"bench_{number}", status=status, host=host, **fields))
    assert needed(session, gpu, "torchkiln-worker-cpu") == 2
    assert needed(session, gpu, "torchkiln-worker-gpu") == 0


@pytest.mark.parametrize(("name", "slots"), [("cpu", "job_slots"), ("gpu", "gpu_slots")])
def test_a_pod_is_asked_for_as_many_jobs_as_it_has_slots(
    gpu: Rendered, name: str, slots: str
) -> None:
    [trigger] = gpu.one("ScaledObject", f"torchkiln-worker-{name}")["spec"]["triggers"]
    settings = gpu.settings(main(gpu.one("Deployment", f"torchkiln-worker-{name}")))
    assert float(trigger["metadata"]["targetQueryValue"]) == getattr(settings, slots)
