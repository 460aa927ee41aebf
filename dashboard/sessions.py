"""The keys that visitors have given: in this process's memory, for as long as they come back."""

from __future__ import annotations

import time
from collections import OrderedDict

IDLE_S = 12 * 3600.0
MOST = 10_000


class Sessions:
    """API keys by the id of a browser's session, which is in a signed cookie."""

    def __init__(self) -> None:
        self._keys: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def key(self, session: str) -> str | None:
        """The key of a session, None where it has none or was away for `IDLE_S`."""
        found = self._keys.pop(session, None)
        if found is None or time.monotonic() - found[1] > IDLE_S:
            return None
        self.remember(session, found[0])
        return found[0]

    def remember(self, session: str, key: str) -> None:
        self._keys[session] = (key, time.monotonic())
        self._keys.move_to_end(session)
        while len(self._keys) > MOST:
            self._keys.popitem(last=False)

    def forget(self, session: str) -> None:
        self._keys.pop(session, None)
