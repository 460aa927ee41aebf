"""Ids made by the server: a prefix that tells what it is, and a ULID that sorts by time."""

from __future__ import annotations

import re

from ulid import ULID

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What names of models, versions, aliases and artifacts match, as a whole."""


def new_id(prefix: str) -> str:
    """`new_id("job")` → `job_01J…`."""
    return f"{prefix}_{ULID()}"


def is_name(text: str) -> bool:
    return NAME.fullmatch(text) is not None
