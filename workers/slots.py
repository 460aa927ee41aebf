"""How many pieces of work of each queue may be in hand: each queue has slots of its own, so that
the work of one never waits for that of another."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from kombu.utils.scheduling import priority_cycle

from services.settings import Settings


def slots_for(settings: Settings, devices: Sequence[str]) -> Slots:
    """Those of a worker with these devices: it listens to the queue `gpu` if it has one."""
    gpus = sum(name != "cpu" for name in devices)
    if not gpus:
        return Slots({"cpu": settings.job_slots})
    return Slots({"cpu": settings.job_slots, "gpu": settings.gpu_slots or gpus})


class Slots:
    def __init__(self, of_queue: Mapping[str, int]) -> None:
        self.of_queue = of_queue
        self.total = sum(of_queue.values())
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, queue: str) -> Callable[[], None]:
        """A message of `queue` has come. → what to call when its work has ended."""
        with self._lock:
            self._taken[queue] += 1
        return lambda: self._give_back(queue)

    def _give_back(self, queue: str) -> None:
        with self._lock:
            self._taken[queue] -= 1

    def taken(self) -> dict[str, int]:
        """By queue."""
        with self._lock:
            return {queue: self._taken[queue] for queue in self.of_queue}

    def free(self, queue: str) -> bool:
        with self._lock:
            return self._taken[queue] < self.of_queue[queue]


class FreeQueues(priority_cycle):
    """Those that have a slot free. Kombu's Redis transport asks for the queues to wait at each time
    that it begins to wait, a second at most, for one message from any of them."""

    def __init__(self, slots: Slots) -> None:
        super().__init__()
        self._slots = slots

    def consume(self, n: int) -> list[str]:
        return [queue for queue in super().consume(n) if self._slots.free(queue)]
