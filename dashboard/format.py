"""Values as people read them."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

NONE = "—"


def number(value: object) -> str:
    """Four significant digits; whole numbers whole."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return NONE if value is None else str(value)
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    return f"{value:.4g}"


def duration(seconds: float | None) -> str:
    """`42 s`, `3 min 5 s`, `2 h 10 min`."""
    if seconds is None:
        return NONE
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def time(value: str | None) -> str:
    """A time of the service, to the second, in UTC."""
    return NONE if value is None else f"{parse(value):%Y-%m-%d %H:%M:%S}"


def ago(value: str | None, now: datetime | None = None) -> str:
    """How long ago a time of the service was."""
    if value is None:
        return NONE
    seconds = ((now or datetime.now(UTC)) - parse(value)).total_seconds()
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{int(seconds // 60)} min ago"
    if seconds < 86_400:
        return f"{int(seconds // 3600)} h ago"
    return f"{parse(value):%Y-%m-%d}"


def between(start: str | None, end: str | None) -> str:
    """How long it took; until now if it has not ended."""
    if start is None:
        return NONE
    until = datetime.now(UTC) if end is None else parse(end)
    return duration((until - parse(start)).total_seconds())


def parse(value: str) -> datetime:
    return datetime.fromisoformat(value)


def size(count: int) -> str:
    """Bytes, in powers of 1024."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def figures(values: dict[str, Any], most: int = 4) -> str:
    """`test_accuracy 0.9443, test_loss 0.1931`."""
    shown = [f"{name} {number(value)}" for name, value in list(values.items())[:most]]
    return ", ".join(shown) or NONE


def plain_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
