"""What a runner is known by."""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    name: str
    version: int
    backend: str
