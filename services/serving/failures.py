"""Loads that failed: why, since when, and for how long nobody tries again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from models.errors import ExportFailed
from services.errors import Unavailable
from services.serving.key import Key

RETRY_S = 5.0
"""For so long a file that could not be loaded is not tried again."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Failure:
    """A load that failed, the latest of so many in a row."""

    error: Unavailable
    at: float
    tries: int


class Failures:
    def __init__(self) -> None:
        self._latest: dict[Key, Failure] = {}

    def __bool__(self) -> bool:
        return bool(self._latest)

    def get(self, key: Key) -> Failure | None:
        """Why the latest load failed, if it did."""
        return self._latest.get(key)

    def refuse_if_recent(self, key: Key) -> None:
        """Raises what it failed with, `Unavailable`, until it is time to try again."""
        failed = self._latest.get(key)
        if failed is not None and time.monotonic() < failed.at + RETRY_S:
            raise Unavailable(failed.error.detail, code=failed.error.code)

    def note(self, key: Key, error: Exception) -> Unavailable:
        """→ what to tell those who wait for it."""
        before = self._latest.get(key)
        failure = _told(key, error)
        self._latest[key] = Failure(failure, time.monotonic(), before.tries + 1 if before else 1)
        if before is None or before.error.detail != failure.detail:  # once, however often tried
            log.error("model_not_loaded", **key._asdict(), reason=str(error)[:300])
        return failure

    def forget(self, which: Callable[[Key], bool]) -> None:
        self._latest = {key: failed for key, failed in self._latest.items() if not which(key)}


def _told(key: Key, error: Exception) -> Unavailable:
    if isinstance(error, Unavailable):
        return error
    why = f": {error}" if isinstance(error, ExportFailed) else ""
    return Unavailable(
        f"{key.name} version {key.version} cannot be loaded by {key.backend}{why}",
        code="load_failed",
    )
