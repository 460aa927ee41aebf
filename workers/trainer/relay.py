"""What ranks say, passed on to the supervisor; what it says, passed on to them."""

from __future__ import annotations

import os
import selectors
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import structlog

from workers.messages import LAST_WORDS, Control, Message, decode, encode
from workers.output import MAX_LINE, Lines, Printed
from workers.process import MAX_MESSAGE
from workers.trainer.failures import clean
from workers.trainer.pipes import SAID, Pipes

TICK_S = 0.1
LEAVE: Control = "cancel"
"""What the others are told when rank 0 needs them no more."""

log: Any = structlog.get_logger(__name__)


class Relay:
    """A thread of the launcher's, from before the ranks start until after they have ended.

    Rank 0 speaks for the run. Of the others come only logs, tracebacks and the memory of their
    devices, and their last words count where rank 0 has none. Where it is on another host, that is
    all there is to pass on.
    """

    def __init__(
        self,
        pipes: Pipes,
        spec: bytes,
        ranks: range,
        send: Callable[[Message], None],
        asked: Callable[[], Control | None],
    ) -> None:
        """`spec`, a line, is told to each of the `ranks`, those of this host, first; `asked` is why
        the run should stop."""
        self._leads = 0 in ranks
        self._spec = spec
        self._send = send
        self._asked = asked
        self._told: Control | None = None
        self._left = False
        self.last_words: dict[int, Message] = {}
        """By rank, in the order in which they came."""
        self._controls = [pipes.hold(local, "controls") for local in range(len(ranks))]
        self._said: dict[int, Lines] = {}
        self._printed: list[Printed] = []
        for local, rank in enumerate(ranks):
            for stream, lines in zip(SAID, self._lines(rank), strict=True):
                self._said[pipes.hold(local, stream)] = lines
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """Pass on what is left, once all ranks have ended."""
        self._ended.set()
        self._thread.join()
        for descriptor in (*self._controls, *self._said):
            os.close(descriptor)

    def _lines(self, rank: int) -> Sequence[Lines]:
        """In the order of `SAID`."""
        stdout = Printed(partial(self._on_print, rank, "info", "stdout"), time.monotonic)
        stderr = Printed(partial(self._on_print, rank, "warning", "stderr"), time.monotonic)
        self._printed += [stdout, stderr]
        return (
            Lines(partial(self._on_message, rank), limit=MAX_MESSAGE),
            Lines(stdout.line, limit=MAX_LINE),
            Lines(stderr.line, limit=MAX_LINE),
        )

    def _run(self) -> None:
        for local in range(len(self._controls)):
            self._control(local, self._spec)
        with selectors.DefaultSelector() as selector:
            for descriptor in self._said:
                selector.register(descriptor, selectors.EVENT_READ)
            ended = False
            while not ended:
                ended = self._ended.is_set()
                for key, _ in selector.select(0 if ended else TICK_S):
                    self._drain(key.fd)
                self._pass_on()
        for lines in (*self._said.values(), *self._printed):
            lines.flush()

    def _drain(self, descriptor: int) -> None:
        try:
            while True:
                self._said[descriptor].feed(os.read(descriptor, 1 << 16))
        except BlockingIOError:
            pass

    def _pass_on(self) -> None:
        """Rank 0 hears why to stop, or that it should go on after all; the others from it."""
        asked = self._asked()
        if asked == self._told:
            return
        self._told = asked
        if self._leads:
            self._control(0, encode({"control": asked or "continue"}))
        elif asked is not None:
            self._send({"type": "leaving"})

    def _control(self, local: int, line: bytes) -> None:
        os.set_blocking(self._controls[local], True)
        os.write(self._controls[local], line)

    def _on_message(self, rank: int, line: bytes) -> None:
        message = decode(line)
        if message is None:
            log.warning("rank_message_not_understood", rank=rank, size=len(line))
            return
        kind = message["type"]
        if kind in LAST_WORDS:
            self.last_words[rank] = message
        elif kind == "log":
            self._send({**message, "data": {**message["data"], "rank": rank}})
        elif rank == 0 or kind in {"trace", "device"}:
            self._send(message)
        if rank == 0 and kind in {*LAST_WORDS, "trained"}:
            self._let_go()

    def _let_go(self) -> None:
        if not self._left:
            self._left = True
            for local in range(1, len(self._controls)):
                self._control(local, encode({"control": LEAVE}))

    def _on_print(self, rank: int, level: str, source: str, text: str) -> None:
        if source == "stderr" and text.startswith("{"):  # a line of its log, which is like ours
            sys.stderr.write(text + "\n")
            return
        said: Message = {"type": "log", "level": level, "message": clean(text)}
        self._send({**said, "data": {"source": source, "rank": rank}})
