"""Lists in pages: newest first, continued after an id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_LIMIT = 200
DEFAULT_LIMIT = 50


@dataclass(frozen=True)
class Page(Generic[T]):
    data: list[T]
    has_more: bool

    @classmethod
    def cut(cls, rows: Sequence[T], limit: int) -> Page[T]:
        """A page out of up to `limit + 1` rows, the last of which only tells that there is more."""
        return cls(list(rows[:limit]), len(rows) > limit)
