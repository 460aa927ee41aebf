"""The first value of JSON data that a tensor does not hold, for the message that refuses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import simdjson

from models.data.uploads.text import shown
from services.serving.v2_fields import kind

MAX_DEPTH = 16
MAX_SEEN = 1 << 14
"""Values that are looked at, in some 10 ms: a body may have millions, and others wait."""

Place = tuple[int, ...]


def first_misfit(data: simdjson.Array, fits: Callable[[Any], bool]) -> str | None:
    """It and where it stands, `'one' at [0, 2]`; None if it is not among the first values."""
    for place, value in islice(_values(data, ()), MAX_SEEN):
        if not isinstance(value, simdjson.Array) and not fits(value):
            return f"{_said(value)} at {list(place)}"
    return None


def _values(data: simdjson.Array, place: Place) -> Iterator[tuple[Place, Any]]:
    """Depth first, arrays too, behind what is in them."""
    for index, value in enumerate(data):
        here = (*place, index)
        if isinstance(value, simdjson.Array) and len(here) < MAX_DEPTH:
            yield from _values(value, here)
        yield here, value


def _said(value: Any) -> str:
    """As JSON has it, cut where it is long."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return shown(value, 32)
    return kind(value) if isinstance(value, simdjson.Object) else f"{value}"
