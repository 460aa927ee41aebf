"""How deep JSON data is nested, which simdjson forgets when it hands numbers over."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import simdjson


def brackets(data: Any, shape: Sequence[int]) -> int:
    """How many `[` the data has if it is flat, or nested as `shape` is; 0 if it is neither."""
    if not _is_nested(data):
        return 1
    return _nested_brackets(shape) if _lengths_fit(data, shape) else 0


def problem(data: Any, shape: Sequence[int]) -> str | None:
    """What is wrong with the nesting of numbers, which simdjson flattens without a word."""
    expected = brackets(data, shape)
    text: Any = data.mini  # bytes, whatever the stubs say
    if expected and expected == text.count(b"["):
        return None
    return ragged(shape)


def ragged(shape: Sequence[int]) -> str:
    return f"expected values in a flat list or nested as shape {list(shape)}, got a ragged list"


def _is_nested(data: Any) -> bool:
    return len(data) > 0 and isinstance(data[0], simdjson.Array)


def _nested_brackets(shape: Sequence[int]) -> int:
    return 1 + sum(prod(shape[:depth]) for depth in range(1, len(shape)))


def _lengths_fit(data: Any, shape: Sequence[int]) -> bool:
    if not isinstance(data, simdjson.Array) or len(data) != shape[0]:
        return False
    return len(shape) == 1 or all(_lengths_fit(part, shape[1:]) for part in data)
