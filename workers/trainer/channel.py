"""The trainer's side of the pipes: messages out, one spec and controls in."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import orjson

from workers.messages import Control, Message, Spec, decode_spec, encode


class Channel:
    """Messages to the supervisor, on a descriptor that nothing else in this process writes to."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        os.set_inheritable(descriptor, False)

    def send(self, message: Message) -> None:
        left = memoryview(encode(message))
        with self._lock:
            try:
                while left:
                    left = left[os.write(self._descriptor, left) :]
            except BrokenPipeError:  # the supervisor is gone, and with it the reason to be here
                end_group()


class Controls:
    """What the supervisor says, read by a thread of its own so that training never waits for it.

    The end of the stream means that the supervisor is gone: this process ends at once, wherever
    it is, and takes its children with it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._specs: queue.SimpleQueue[Spec] = queue.SimpleQueue()
        self.reason: Control | None = None
        """Why the run should stop; None while it should not."""
        self.seats: Sequence[int] | None = None
        """The hosts of the run, this one among them; None while they still gather."""

    def start(self) -> None:
        threading.Thread(target=self._watch, name="controls", daemon=True).start()

    def spec(self) -> Spec:
        """Wait for the work to do."""
        return self._specs.get()

    def _watch(self) -> None:
        with os.fdopen(self._descriptor, "rb") as lines:
            first = lines.readline()
            if first:
                self._specs.put(decode_spec(first))
                for line in lines:
                    self._take(orjson.loads(line))
        end_group()

    def _take(self, said: Mapping[str, Any]) -> None:
        if "seats" in said:
            self.seats = said["seats"]
            return
        control: Control = said["control"]
        self.reason = None if control == "continue" else control


def end_group() -> NoReturn:
    """End this process and, if it leads a process group, every other member of it."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
