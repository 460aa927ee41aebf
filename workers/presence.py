"""A worker's row in the list of live workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from services.workers import WorkerInfo, Workers


class Presence:
    """`current` tells what the worker has in hand."""

    def __init__(
        self, workers: Workers, info: WorkerInfo, current: Callable[[], Sequence[str]]
    ) -> None:
        self._workers = workers
        self._info = info
        self._current = current
        self._told = False

    def change(
        self, *, queues: Sequence[str], devices: Sequence[dict[str, Any]], slots: int
    ) -> None:
        """From the next beat on the worker has these."""
        self._info = replace(self._info, queues=queues, devices=devices, slots=slots)
        self._told = False

    def beat(self) -> None:
        if not (self._told and self._workers.beat(self._info.id, self._current())):
            self._workers.register(self._info)
            self._told = True

    def leave(self) -> None:
        self._workers.leave(self._info.id)
