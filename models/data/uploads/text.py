"""Text from a user's file: what may become a name, and how messages show the rest."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

LONGEST_NAME = 128
MAX_SHOWN = 16
"""Names that a message tells; more than that nobody would read."""


def has_control(text: str) -> bool:
    return any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in text)


def problem_of(name: str) -> str | None:
    """What keeps `name` from being the name of a class or a column; None where nothing does.

    Databases, terminals and HTTP headers stumble over control characters and halves of surrogate
    pairs, so they end here.
    """
    if not name:
        return "expected a name, got an empty one"
    if len(name) > LONGEST_NAME:
        return f"expected a name of at most {LONGEST_NAME} characters, got {len(name)}"
    if has_control(name):
        return f"expected a name without control characters, got {shown(name)}"
    return None


def shown(text: str, length: int = 64) -> str:
    """Quoted, escaped and cut, so that no message carries a whole file."""
    return repr(text if len(text) <= length else f"{text[:length]}…")


def listed(names: Iterable[str]) -> str:
    """`a, b, c`, cut where it would become long."""
    names = list(names)
    rest = len(names) - MAX_SHOWN
    first = ", ".join(name[:64] for name in names[:MAX_SHOWN])
    return first if rest <= 0 else f"{first} and {rest} more"
