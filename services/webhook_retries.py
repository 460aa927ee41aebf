"""When a delivery that did not arrive is tried again."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from secrets import SystemRandom

MINUTE, HOUR = 60.0, 3600.0
PAUSES_S = (10.0, 30.0, 2 * MINUTE, 10 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR)
"""After the first try, the second, …; the last one after every other."""
MAX_RETRY_AFTER_S = HOUR
"""A receiver may ask for so much patience, and no more."""
JITTER = 0.2
"""Pauses differ by so much, so that what failed together does not come back together."""


def pause_s(tries: int, retry_after: str | None, now: datetime) -> float:
    """How long to wait after so many tries. `retry_after` is the header's value, None without one.

    It can only prolong the wait: who asks for less is not spared the pauses.
    """
    usual = PAUSES_S[min(tries, len(PAUSES_S)) - 1]
    asked = 0.0 if retry_after is None else _seconds(retry_after.strip(), now)
    jittered = usual * SystemRandom().uniform(1 - JITTER, 1 + JITTER)
    return max(jittered, min(asked, MAX_RETRY_AFTER_S))


def _seconds(value: str, now: datetime) -> float:
    """Seconds or a date, as HTTP has it; what is neither asks for nothing."""
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return 0.0
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
