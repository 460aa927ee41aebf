"""Signals of a supervising process, as something to wait for."""

from __future__ import annotations

import math
import select
import signal
import socket
import time
from types import FrameType, TracebackType
from typing import Self

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ECHO_S = 1.0


class Signals:
    """While it is entered, stop signals are counted and a child's end interrupts `wait`.

    Nothing is raised from a handler, so no line of the supervisor can be cut in two.
    """

    def __init__(self) -> None:
        self.stops = 0
        """How often the process was asked to stop; what follows within a second is an echo, as
        when both a terminal and a wrapper pass the same Ctrl-C on."""
        self._last_stop = -math.inf

    def __enter__(self) -> Self:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._old_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._old = {kind: signal.getsignal(kind) for kind in (*STOPS, signal.SIGCHLD)}
        for kind in STOPS:
            # Under nohup the hang-up is ignored, and stays so.
            if kind is not signal.SIGHUP or self._old[kind] is not signal.SIG_IGN:
                signal.signal(kind, self._stop)
        signal.signal(signal.SIGCHLD, _nothing)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_fd)
        self._reader.close()
        self._writer.close()

    def wait(self, seconds: float) -> None:
        """Return after `seconds`, or at once when a signal arrives or has arrived."""
        ready, _, _ = select.select([self._reader], [], [], max(0.0, seconds))
        if ready:
            self._reader.recv(4096)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._last_stop > ECHO_S:
            self.stops += 1
        self._last_stop = now


def _nothing(number: int, frame: FrameType | None) -> None:
    """A handler that is there, so that the signal wakes `wait`."""
