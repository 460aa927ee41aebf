"""How long to go on trying while a service restarts."""

from __future__ import annotations

import time

from torchkiln.errors import Overloaded, TorchkilnError, Unreachable

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 5.0


class Patience:
    """Counts the time since the last success; pauses between tries, ever longer.

    `seconds` is how long failures in a row are borne.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._pause = FIRST_PAUSE_S
        self._deadline: float | None = None

    def succeeded(self) -> None:
        self._pause = FIRST_PAUSE_S
        self._deadline = None

    def failed(self, error: TorchkilnError) -> None:
        """Pause before the next try, or raise `error` if there should be none.

        Only what may pass by itself is borne: no answer, and 429 or 503.
        """
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._seconds
        if now >= self._deadline or not isinstance(error, Unreachable | Overloaded):
            raise error
        asked = error.retry_after_s if isinstance(error, Overloaded) else 0.0
        time.sleep(min(max(self._pause, asked), self._deadline - now))
        self._pause = min(self._pause * 2, LONGEST_PAUSE_S)
