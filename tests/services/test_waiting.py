"""A queued job says what it waits for."""

from __future__ import annotations

import pytest

from services.container import Container
from services.workers import WorkerInfo
from tests.services import factories

CPU, GPUS = ["cpu"], ["cpu", "cuda:0", "cuda:1"]


def registered(container: Container, *have: list[str]) -> None:
    for number, names in enumerate(have):
        devices = [{"name": name} for name in names]
        info = WorkerInfo(f"worker-{number}", "host", 1, ["cpu"], 1, devices)
        container.workers.register(info)


@pytest.mark.parametrize(
    ("have", "device", "processes", "waits_for"),
    [
        ([], "cpu", 1, "a worker"),
        ([CPU], "auto", 1, "a free slot"),
        ([CPU], "cpu", 4, "a free slot"),
        ([CPU], "cuda", 1, "1 gpu"),
        ([CPU, GPUS], "cuda", 2, "a free slot"),
        ([GPUS, GPUS], "cuda", 3, "3 gpu"),
        ([GPUS], "cuda:7", 1, "cuda:7"),
        ([GPUS], "cuda:1", 1, "a free slot"),
    ],
)
def test_the_reason_is_what_no_live_worker_has(
    container: Container,
    have: list[list[str]],
    device: str,
    processes: int,
    waits_for: str,
) -> None:
    registered(container, *have)
    job_id = factories.submit(container, device=device, world_size=processes)
    assert container.jobs.get(job_id).waiting_for == waits_for
    assert factories.claimed(container, job_id)
    assert container.jobs.get(job_id).waiting_for is None


@pytest.mark.parametrize(
    ("have", "device", "least", "waits_for"),
    [
        ([], "cpu", 6, "a worker"),
        ([CPU], "cpu", 6, "2 more hosts"),
        ([CPU, CPU], "cpu", 6, "1 more host"),
        ([CPU, CPU], "cpu", 4, "a free slot"),
        ([CPU], "cpu", 2, "a free slot"),
        ([CPU, CPU, CPU], "cpu", 6, "a free slot"),
        ([CPU, CPU, GPUS], "cuda", 6, "2 more hosts"),
        ([CPU, CPU], "cuda", 6, "2 gpu"),
    ],
)
def test_a_job_over_three_hosts_waits_for_as_many_as_will_do(
    container: Container, have: list[list[str]], device: str, least: int, waits_for: str
) -> None:
    registered(container, *have)
    spread = {"world_size": 6, "hosts": 3, "min_world_size": least}
    job_id = factories.submit(container, device=device, **spread)
    assert container.jobs.get(job_id).waiting_for == waits_for
