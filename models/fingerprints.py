"""Whether figures of a benchmark are of this host as it is now: its processor and its libraries."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

from models import host

Fingerprint = tuple[str, ...]


@cache
def present() -> Fingerprint:
    """Of this host. Asked once for each process: what it loads does not change under it."""
    return (
        host.cpu_model(),
        str(machine_cores()),
        *(f"{name} {version(name)}" for name in host.LIBRARIES),
    )


def machine_cores() -> int:
    """All of them: processes that are pinned to some are still on the same host."""
    return os.cpu_count() or 1


def of(environment: Mapping[str, Any] | None) -> Fingerprint | None:
    """That of a benchmark's `environment`; None where it does not tell enough."""
    try:
        known: Any = environment or {}
        return (
            known["cpu_model"],
            str(known["machine_cores"]),
            *(f"{name} {known['versions'][name]}" for name in host.LIBRARIES),
        )
    except (KeyError, TypeError):
        return None
