"""The files that an attempt leaves: stored first, then made real by a row that the claim guards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from services.claims import Claim, append
from services.db.engine import Database
from services.db.tables import Artifact, Checkpoint
from services.errors import Unavailable
from services.events import NewEvent
from services.ids import new_id
from services.storage import Storage

log: Any = structlog.get_logger(__name__)


@dataclass(frozen=True)
class NewCheckpoint:
    """A checkpoint file of the trainer's, whole and synced."""

    path: Path
    epoch: int
    step: int
    metrics: Mapping[str, float]
    best: bool
    size_bytes: int
    sha256: str
    id: str = field(default_factory=lambda: new_id("ckpt"))


@dataclass(frozen=True)
class NewArtifact:
    path: Path
    name: str
    title: str
    media_type: str
    size_bytes: int
    sha256: str


class AttemptFiles:
    """A method that answers None has lost the lease, as in `Attempts`."""

    def __init__(self, db: Database, storage: Storage) -> None:
        self._db = db
        self._storage = storage

    def add_checkpoint(self, claim: Claim, new: NewCheckpoint) -> Checkpoint | None:
        """Store the file, then commit its row: only a checkpoint with a row is ever resumed."""
        key = claim.key("checkpoints", f"{new.id}.pt")
        self._storage.put_file(new.path, key)
        with self._db.write() as session:
            if known := session.get(Checkpoint, new.id):  # committed by a try without an answer
                return known
            now = self._db.now(session)
            row = Checkpoint(
                id=new.id,
                job_id=claim.job.id,
                attempt=claim.number,
                epoch=new.epoch,
                step=new.step,
                metrics=dict(new.metrics),
                best=new.best,
                key=key,
                size_bytes=new.size_bytes,
                sha256=new.sha256,
                created_at=now,
            )
            told = NewEvent(
                "checkpoint",
                f"checkpoint at epoch {new.epoch}, step {new.step}",
                data={"id": new.id, "epoch": new.epoch, "step": new.step, "best": new.best},
            )
            stale: list[str] = []
            if kept := append(session, claim.grip, [told], now):
                stale = _forget_older(session, claim.job.id, new)
                session.add(row)
        for old in stale if kept else [key]:
            self._drop(old)
        return row if kept else None

    def abandon(self, claim: Claim, ids: Sequence[str], told: Sequence[NewEvent]) -> bool:
        """Have no attempt go on from these checkpoints by itself, and say why. False: the lease
        is lost."""
        with self._db.write() as session:
            held = append(session, claim.grip, told, self._db.now(session))
            if held:
                session.execute(
                    update(Checkpoint)
                    .where(Checkpoint.job_id == claim.job.id, Checkpoint.id.in_(ids))
                    .values(abandoned=True, best=False)
                )
            return held

    def add_artifact(self, claim: Claim, new: NewArtifact) -> Artifact | None:
        """Store a file; one of the same name of an earlier attempt is replaced."""
        key = claim.key("artifacts", new.name)
        self._storage.put_file(new.path, key)
        with self._db.write() as session:
            known = session.get(Artifact, (claim.job.id, new.name))
            if known is not None and (known.key, known.sha256) == (key, new.sha256):
                return known
            now = self._db.now(session)
            told = NewEvent(
                "artifact", new.title, data={"name": new.name, "media_type": new.media_type}
            )
            if not append(session, claim.grip, [told], now):
                return None
            return session.merge(
                Artifact(
                    job_id=claim.job.id,
                    name=new.name,
                    title=new.title,
                    media_type=new.media_type,
                    key=key,
                    size_bytes=new.size_bytes,
                    sha256=new.sha256,
                    created_at=now,
                )
            )

    def _drop(self, key: str) -> None:
        """Its row is gone, so that a file which cannot be deleted now is only room lost: the write
        that came before must not be taken for one that failed."""
        try:
            self._storage.delete(key)
        except Unavailable as error:
            log.warning("file_left", key=key, reason=error.detail)


def _forget_older(session: Session, job_id: str, new: NewCheckpoint) -> list[str]:
    """Keep the best and the last: drop what a new last checkpoint makes superfluous. → keys.

    The last one before it stays too, so that a damaged file has something to fall back to. What
    was abandoned goes when the job has come as far again.
    """
    rows = session.scalars(
        select(Checkpoint)
        .where(Checkpoint.job_id == job_id)
        .order_by(Checkpoint.step.desc(), Checkpoint.created_at.desc())
    ).all()
    if new.best:
        session.execute(update(Checkpoint).where(Checkpoint.job_id == job_id).values(best=False))
    followed = [row for row in rows if not row.abandoned]
    kept_best = None if new.best else next((row.id for row in followed if row.best), None)
    stale = [row for row in followed[1:] if row.id != kept_best]
    stale += [row for row in rows if row.abandoned and row.step <= new.step]
    session.execute(delete(Checkpoint).where(Checkpoint.id.in_([row.id for row in stale])))
    return [row.key for row in stale]
