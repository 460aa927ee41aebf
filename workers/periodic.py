"""Something done every so often in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import structlog

from services.errors import Unavailable

log: Any = structlog.get_logger(__name__)


class Periodic:
    """Calls `function` now and then every `interval_s`, whatever it raises."""

    def __init__(self, name: str, interval_s: float, function: Callable[[], object]) -> None:
        self._name = name
        self._interval_s = interval_s
        self._function = function
        self._stopped = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def soon(self) -> None:
        """Do it now instead of when it is due."""
        self._wake.set()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped:
            self._wake.clear()
            try:
                self._function()
            except Unavailable as error:
                log.warning("periodic_skipped", name=self._name, reason=error.detail)
            except Exception:
                log.exception("periodic_failed", name=self._name)
            self._wake.wait(self._interval_s)
