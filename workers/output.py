"""What a trainer prints: cut into lines, and no more of them than anyone can read."""

from __future__ import annotations

from collections.abc import Callable

MAX_LINE = 2_000
BURST = 100
LINES_PER_S = 20.0


class Lines:
    """Bytes in, whole lines out. A line longer than `limit` is cut there."""

    def __init__(self, on_line: Callable[[bytes], None], *, limit: int) -> None:
        self._on_line = on_line
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> None:
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._extend(part)
            self.flush()
        self._extend(rest)

    def flush(self) -> None:
        """Give out what there is of a line that has no end."""
        if self._rest:
            self._on_line(bytes(self._rest))
            self._rest.clear()

    def _extend(self, part: bytes) -> None:
        self._rest += part[: self._limit - len(self._rest)]


class Printed:
    """Lines of text that pass at a rate: a bucket of `BURST`, filled by `LINES_PER_S`.

    What does not pass is counted, and the count is told in its place.
    """

    def __init__(self, tell: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._tell = tell
        self._clock = clock
        self._left = float(BURST)
        self._filled_at = clock()
        self._dropped = 0

    def line(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        if not text.strip():
            return
        now = self._clock()
        self._left = min(BURST, self._left + (now - self._filled_at) * LINES_PER_S)
        self._filled_at = now
        if self._left < 1:
            self._dropped += 1
            return
        self._left -= 1
        self.flush()
        self._tell(text)

    def flush(self) -> None:
        """Tell how many lines were left out since the last one that passed."""
        if self._dropped:
            self._tell(f"… {self._dropped} line{'s'[: self._dropped - 1]} left out")
            self._dropped = 0
