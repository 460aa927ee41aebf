"""Lists in pages: newest first, continued after an id."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")

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

    def map(self, function: Callable[[T], U]) -> Page[U]:
        return Page([function(row) for row in self.data], self.has_more)
