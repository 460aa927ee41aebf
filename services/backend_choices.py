"""What the owner of a version lets `auto` pick from."""

from __future__ import annotations

from typing import Any

from models.backends import EVERY
from services import revision
from services.db.engine import Database
from services.db.tables import ModelVersion
from services.errors import Conflict, NotFound
from services.promotion import automatic
from services.registry import find_version


class BackendChoices:
    def __init__(self, db: Database) -> None:
        self._db = db

    def set_auto(self, name: str, ref: str, backend: str, auto: bool) -> None:
        """Let `auto` pick a backend of a version, or keep it back. Requests may name it either way.

        Raises `NotFound` (`model_not_found`, `version_not_found`, `backend_not_found`), and
        `Conflict`: `not_certified`, or `last_backend` where `auto` would have none left.
        """
        with self._db.write() as session:
            row = find_version(session, name, ref)
            entry = _entry(row, backend)
            if auto and entry["status"] != "certified":
                raise Conflict(
                    f"{name} version {row.version} is not certified for {backend} "
                    f"({entry['status']}: {entry['reason']})",
                    code="not_certified",
                )
            if entry.get("auto", True) == auto:
                return
            changed = {**row.backends, backend: {**entry, "auto": auto}}
            if automatic(row.backends) and not automatic(changed):
                raise Conflict(
                    f"{backend} is the last backend that answers for {name} version {row.version} "
                    "where a request names none",
                    code="last_backend",
                )
            revision.bump(session)
            row.backends = changed


def _entry(row: ModelVersion, backend: str) -> dict[str, Any]:
    entry = row.backends.get(backend)
    if entry is None:
        known = ", ".join(name for name in EVERY if name in row.backends)
        raise NotFound(
            f"{row.name} version {row.version} was not made for {backend[:64]}; "
            f"expected one of {known}",
            code="backend_not_found",
        )
    return dict(entry)
