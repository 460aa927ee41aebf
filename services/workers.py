"""Which workers are alive, and what they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update

from services.db.engine import Database
from services.db.tables import Worker
from services.settings import Settings

MISSED_BEATS = 3
"""A worker is gone from the list after so many; after as many again its row is deleted."""


@dataclass(frozen=True)
class WorkerInfo:
    id: str
    host: str
    pid: int
    queues: Sequence[str]
    slots: int
    devices: Sequence[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """`{"name": "cpu"}`, `{"name": "cuda:0", "model": …, "memory_bytes": …}`."""


class Workers:
    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._silence = timedelta(seconds=settings.heartbeat_s * MISSED_BEATS)

    def register(self, info: WorkerInfo) -> None:
        """Also used to announce what has changed since."""
        with self._db.write() as session:
            now = self._db.now(session)
            known = session.get(Worker, info.id)
            session.merge(
                Worker(
                    **{**asdict(info), "queues": list(info.queues), "devices": list(info.devices)},
                    current_jobs=known.current_jobs if known else [],
                    started_at=known.started_at if known else now,
                    last_heartbeat=now,
                )
            )

    def beat(self, worker_id: str, current_jobs: Sequence[str]) -> bool:
        """False: the row is gone (the worker was silent for long); register again."""
        with self._db.write() as session:
            now = self._db.now(session)
            session.execute(delete(Worker).where(Worker.last_heartbeat < now - 2 * self._silence))
            return (
                session.execute(
                    update(Worker)
                    .where(Worker.id == worker_id)
                    .values(last_heartbeat=now, current_jobs=list(current_jobs))
                    .returning(Worker.id)
                ).scalar_one_or_none()
                is not None
            )

    def leave(self, worker_id: str) -> None:
        with self._db.write() as session:
            session.execute(delete(Worker).where(Worker.id == worker_id))

    def list(self) -> Sequence[Worker]:
        """The live ones, by id."""
        with self._db.read() as session:
            return session.scalars(
                select(Worker)
                .where(Worker.last_heartbeat >= self._db.now(session) - self._silence)
                .order_by(Worker.id)
            ).all()
