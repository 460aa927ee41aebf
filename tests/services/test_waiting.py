"""A queued job says what it waits for."""

from __future__ import annotations

import pytest

from services.container import Container
from services.workers import WorkerInfo
from tests.services import factories

CPU, GPUS = ["cpu"], ["cpu", "cuda:0", "cuda:1"]


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
    for number, names in enumerate(have):
        devices = [{"name": name} for name in names]
        info = WorkerInfo(f"worker-{number}", "host", 1, ["cpu"], 1, devices)
        container.workers.register(info)
    job_id = factories.submit(container, device=device, world_size=processes)
    assert container.jobs.get(job_id).waiting_for == waits_for
    assert factories.claimed(container, job_id)
    assert container.jobs.get(job_id).waiting_for is None
