"""Whether the parts that the service stands on answer."""

from __future__ import annotations

from collections.abc import Callable

from services.db.engine import Database
from services.errors import ServiceError
from services.queue import Queue


class Health:
    def __init__(self, db: Database, queue: Queue) -> None:
        self._parts: dict[str, Callable[[], None]] = {"database": db.ping, "broker": queue.ping}

    def check(self) -> dict[str, str | None]:
        """Each part by name → None when it answers, else why not."""
        return {name: _reason(ping) for name, ping in self._parts.items()}


def _reason(ping: Callable[[], None]) -> str | None:
    try:
        ping()
    except ServiceError as error:
        return error.detail
    return None
