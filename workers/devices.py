"""Which of a worker's devices a job runs on."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from services.waiting import fits


class Devices:
    """The devices of this host, and how many jobs are on each."""

    def __init__(self, names: Sequence[str]) -> None:
        """`names` are torch's: `cpu`, `cuda:0`, …"""
        self._names = names
        self._busy: Counter[str] = Counter()
        self._lock = threading.Lock()

    def fit(self, wanted: str, processes: int = 1) -> bool:
        """Whether such a job can be placed here."""
        return fits(self._names, wanted, processes)

    @contextmanager
    def use(self, wanted: str, processes: int = 1) -> Generator[Sequence[str]]:
        """Place a job that asked for `auto`, `cpu`, `cuda` or `cuda:N`. → a name for each process.

        Among several that would do it is the one with the fewest jobs on it. The CPU has room for
        any number of processes, a GPU for one. Raises ValueError for one that does not fit.
        """
        with self._lock:
            found = sorted(self._candidates(wanted, processes), key=lambda name: self._busy[name])
            names = ["cpu"] * processes if found == ["cpu"] else found[:processes]
            self._busy.update(names)
        try:
            yield names
        finally:
            with self._lock:
                self._busy.subtract(names)

    def _candidates(self, wanted: str, processes: int) -> list[str]:
        accelerators = [name for name in self._names if name.startswith("cuda:")]
        if wanted == "auto":
            return accelerators if len(accelerators) >= processes else ["cpu"]
        if not self.fit(wanted, processes):
            raise ValueError(f"{wanted} for {processes} is not among {', '.join(self._names)}")
        return [name for name in self._names if wanted in (name, name.partition(":")[0])]
