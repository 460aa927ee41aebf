"""A trainer process as its supervisor holds it: started, spoken to, listened to, ended."""

from __future__ import annotations

import contextlib
import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from workers.environment import environment
from workers.messages import Control, Message, Spec, decode, encode, encode_spec
from workers.output import MAX_LINE, Lines, Printed

COMMAND = (sys.executable, "-m", "workers.trainer")
MAX_MESSAGE = 16 * 2**20
TICK_S = 0.5
"""How late a deadline may be noticed."""
FULL_INBOX = 10_000
"""Messages nobody has taken yet, from which on the trainer has to wait with its next ones."""
STDERR_TAIL = 20

log: Any = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Exit:
    """The end of the process."""

    returncode: int
    """Negative: the signal that ended it."""
    why: str | None
    """What `kill` was given; None if it was not we who ended it."""
    stderr: str
    """The last lines it wrote there."""


class TrainerProcess:
    """One thread listens to the process, keeps its deadlines and reaps it.

    `on_change` is called, from that thread, when the process has become ready and when it ended.
    """

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        *,
        threads: int = 1,
        memory_bytes: int = 0,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.ready: Message | None = None
        self.exit: Exit | None = None
        self._inbox: queue.SimpleQueue[Message | Exit] = queue.SimpleQueue()
        self._on_change = on_change
        self._deadlines: dict[str, float] = {}
        self._why: str | None = None
        self._speaking = threading.Lock()
        self._started = False
        self._asked: list[Control] = []
        self._told: Control = "continue"
        self._reaped = False
        self._reaping = threading.Lock()
        self._stderr: deque[str] = deque(maxlen=STDERR_TAIL)
        self._messages, theirs = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [
                    *(*command, "--messages", str(theirs), "--threads", str(threads)),
                    *("--memory-bytes", str(memory_bytes)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(theirs,),
                start_new_session=True,
                env=environment(),
            )
        except OSError:
            os.close(self._messages)
            raise
        finally:
            os.close(theirs)
        self.log = log.bind(trainer_pid=self.pid)
        self._listener = threading.Thread(
            target=self._listen, name=f"trainer-{self.pid}", daemon=True
        )
        self._listener.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self, spec: Spec) -> None:
        """Give it its work. A process that has died meanwhile says so by its `Exit`."""
        with self._speaking:
            self._write(encode_spec(spec))
            self._started = True
            self._tell()

    def control(self, control: Control) -> None:
        """Ask the run to save a checkpoint and stop; before there is a run, it is asked at once
        when it starts. Of several reasons the last one counts."""
        with self._speaking:
            self._asked.append(control)
            self._tell()

    def withdraw(self, control: Control) -> None:
        """What was asked for is no longer wanted: an earlier reason counts again, if any."""
        with self._speaking:
            self._asked.remove(control)
            self._tell()

    def seat(self, seats: Sequence[int]) -> None:
        """Tell the run which hosts it has."""
        with self._speaking:
            self._write(encode({"seats": seats}))

    def next(self, timeout: float | None = None) -> Message | Exit | None:
        """Wait for what it says next. None: nothing within `timeout` seconds."""
        try:
            return self._inbox.get(timeout=timeout)
        except queue.Empty:
            return None

    def kill(self, why: str) -> None:
        """End it and its children now. The first `why` is the one that its `Exit` carries."""
        with self._reaping:
            if not self._reaped:
                self._why = self._why or why
                self._kill_group()

    def kill_at(self, deadline: float, why: str) -> None:
        """End it once the monotonic clock passes `deadline`, unless that is moved for this `why`.

        The deadlines of different reasons stand side by side; the first one to pass counts.
        """
        self._deadlines = {**self._deadlines, why: deadline}

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended and been listened to. → whether it has."""
        self._listener.join(timeout)
        return self.exit is not None

    def _tell(self) -> None:
        control: Control = self._asked[-1] if self._asked else "continue"
        if self._started and control != self._told:
            self._write(encode({"control": control}))
            self._told = control

    def _write(self, line: bytes) -> None:
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - it was asked for
        with contextlib.suppress(BrokenPipeError, ValueError):  # it has ended
            stdin.write(line)
            stdin.flush()

    def _listen(self) -> None:
        messages = Lines(self._on_message, limit=MAX_MESSAGE)
        printed = Printed(self._on_stdout, time.monotonic)
        complaints = Printed(self._on_stderr, time.monotonic)
        streams = {
            self._messages: messages,
            _fileno(self._process.stdout): Lines(printed.line, limit=MAX_LINE),
            _fileno(self._process.stderr): Lines(complaints.line, limit=MAX_LINE),
        }
        self._read(streams)
        for lines in streams.values():
            lines.flush()
        printed.flush()
        complaints.flush()
        self._bury()
        self._on_change()

    def _read(self, streams: dict[int, Lines]) -> None:
        """Feed what comes to `streams` until the process has ended and they are empty."""
        with selectors.DefaultSelector() as selector:
            for descriptor in streams:
                os.set_blocking(descriptor, False)
                selector.register(descriptor, selectors.EVENT_READ)
            ended = False
            while not ended:
                ended = self._has_ended()
                if self._inbox.qsize() > FULL_INBOX and not ended:
                    time.sleep(TICK_S / 10)
                    self._keep_deadlines()
                    continue
                talking = len(selector.get_map()) == len(streams)
                for key, _ in selector.select(TICK_S if talking and not ended else TICK_S / 10):
                    if not _drain(key.fd, streams[key.fd], everything=ended):
                        selector.unregister(key.fd)
                self._keep_deadlines()

    def _keep_deadlines(self) -> None:
        now = time.monotonic()
        for why, deadline in self._deadlines.items():
            if now > deadline:
                self.kill(why)

    def _has_ended(self) -> bool:
        """Whether it has; then it is reaped, and no child of its own outlives it."""
        with self._reaping:
            self._reaped = self._process.poll() is not None
            if self._reaped:
                self._kill_group()
            return self._reaped

    def _bury(self) -> None:
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        os.close(self._messages)
        self.exit = Exit(self._process.returncode, self._why, "\n".join(self._stderr))
        self._inbox.put(self.exit)

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def _on_message(self, line: bytes) -> None:
        message = decode(line)
        if message is None:
            self.log.warning("trainer_message_not_understood", size=len(line))
        elif message["type"] == "ready":
            self.ready = message
            self._on_change()
        else:
            self._inbox.put(message)

    def _on_stdout(self, text: str) -> None:
        self._inbox.put(
            {"type": "log", "level": "info", "message": text, "data": {"source": "stdout"}}
        )

    def _on_stderr(self, text: str) -> None:
        self._stderr.append(text)
        if text.startswith("{"):  # a line of its log, which is like ours
            sys.stderr.write(text + "\n")
        else:
            self.log.warning("trainer_stderr", line=text)


def how_it_ended(returncode: int) -> str:
    """For a process of which more was expected."""
    if returncode >= 0:
        return f"ended with status {returncode} before it was done"
    return f"was ended by {signal.Signals(-returncode).name}"


def _drain(descriptor: int, lines: Lines, *, everything: bool) -> bool:
    """Read once, or until nothing is left. → whether more may come."""
    while True:
        try:
            data = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return True
        if not data:
            return False
        lines.feed(data)
        if not everything:
            return True


def _fileno(stream: Any) -> int:
    return stream.fileno()
