"""What a run takes of a GPU's memory, as torch's allocator of this process knows it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from models.lazy import lazy
from workers.messages import Message

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

INTERVAL_S = 1.0


class DeviceMemory:
    """Asks nothing of the device itself, so that it holds up no kernel."""

    def __init__(self, device: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._device = device
        self._clock = clock
        self._due = clock() if device.startswith("cuda") else float("inf")

    def used(self) -> Message | None:
        """A `device` message; None where it is not time for one, or the device is no GPU."""
        now = self._clock()
        if now < self._due:
            return None
        self._due = now + INTERVAL_S
        return {
            "type": "device",
            "name": self._device,
            "allocated_bytes": torch.cuda.memory_allocated(self._device),
            "reserved_bytes": torch.cuda.memory_reserved(self._device),
        }
