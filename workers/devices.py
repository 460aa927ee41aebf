"""Which of a worker's devices a job runs on."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager


class DeviceUnavailable(Exception):
    """The job wants a device that is not here. The message is for its owner."""


class Devices:
    """The devices of this host, and how many jobs are on each."""

    def __init__(self, names: Sequence[str]) -> None:
        """`names` are torch's: `cpu`, `cuda:0`, …"""
        self._names = names
        self._busy: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def use(self, wanted: str) -> Generator[str]:
        """Place a job that asked for `auto`, `cpu`, `cuda` or `cuda:N`. → the device's name.

        Among several that would do it is the one with the fewest jobs on it. Raises
        `DeviceUnavailable`.
        """
        with self._lock:
            name = min(self._candidates(wanted), key=lambda name: self._busy[name])
            self._busy[name] += 1
        try:
            yield name
        finally:
            with self._lock:
                self._busy[name] -= 1

    def _candidates(self, wanted: str) -> list[str]:
        accelerators = [name for name in self._names if name.startswith("cuda:")]
        if wanted == "auto":
            return accelerators or ["cpu"]
        found = [name for name in self._names if wanted in (name, name.partition(":")[0])]
        if not found:
            raise DeviceUnavailable(
                f"the job asks for the device {wanted}; its worker has {', '.join(self._names)}"
            )
        return found
