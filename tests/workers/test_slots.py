"""Each queue has slots of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.settings import Settings
from workers.slots import FreeQueues, Slots, slots_for


@pytest.mark.parametrize(
    ("devices", "gpu_slots", "of_queue"),
    [
        (["cpu"], 0, {"cpu": 3}),
        (["cpu"], 4, {"cpu": 3}),
        (["cpu", "cuda:0", "cuda:1"], 0, {"cpu": 3, "gpu": 2}),
        (["cpu", "cuda:0"], 4, {"cpu": 3, "gpu": 4}),
    ],
)
def test_gpus_are_what_makes_a_worker_listen_for_their_jobs(
    devices: list[str], gpu_slots: int, of_queue: dict[str, int], tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, job_slots=3, gpu_slots=gpu_slots)
    slots = slots_for(settings, devices)
    assert (slots.of_queue, slots.total) == (of_queue, sum(of_queue.values()))


def test_a_queue_is_waited_at_while_it_has_a_slot_free() -> None:
    slots = Slots({"cpu": 2, "gpu": 1})
    queues = FreeQueues(slots)
    queues.update(["cpu", "gpu"])
    give_back = slots.take("cpu")
    assert queues.consume(2) == ["cpu", "gpu"]
    slots.take("cpu")
    assert queues.consume(2) == ["gpu"]
    slots.take("gpu")
    assert queues.consume(2) == []
    give_back()
    assert queues.consume(2) == ["cpu"]
