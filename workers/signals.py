"""Signals to stop as events of the main thread, without work in the handlers."""

from __future__ import annotations

import os
import select
import signal
from types import FrameType
from typing import Any, Self

STOPPING = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """Use as a context manager, in the main thread."""

    def __enter__(self) -> Self:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._wakeup = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._handlers: dict[signal.Signals, Any] = {
            number: signal.signal(number, _noted) for number in STOPPING
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._reading)
        os.close(self._writing)

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for a signal to stop, or a `poke`. → its number, 0 for a poke; None: none came
        within `timeout` seconds."""
        if not select.select([self._reading], [], [], timeout)[0]:
            return None
        return os.read(self._reading, 1)[0]

    def poke(self) -> None:
        """Wake `wait` up, from any thread."""
        os.write(self._writing, b"\0")


def _noted(_number: int, _frame: FrameType | None) -> None:
    """The number is in the pipe already (`set_wakeup_fd`)."""
