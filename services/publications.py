"""How a trained model becomes a version: files in storage, then one row, guarded by the caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.db.tables import Alias, Job, Model, ModelVersion
from services.promotion import CHAMPION, automatic, becomes_champion
from services.revision import bump


@dataclass(frozen=True)
class StoredFile:
    """A file of a version: what the contract shows, and where the bytes are."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str
    key: str

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class NewVersion:
    """What a version is made of. `files` are in storage already, under keys of their own."""

    task: str
    signature: Mapping[str, Any]
    classes: Sequence[str] | None
    metrics: Mapping[str, float]
    backends: Mapping[str, Mapping[str, Any]]
    lineage: Mapping[str, Any]
    files: Sequence[StoredFile]


@dataclass(frozen=True)
class Origin:
    """Whose version it is, and whether it may become the champion."""

    model: str
    job_id: str | None
    """None where no job has made it: it was imported."""
    promote: str

    @classmethod
    def of(cls, job: Job) -> Origin:
        if job.model is None:
            raise ValueError(f"job {job.id} has no model to publish a version of")
        return cls(job.model, job.id, job.promote)


def insert_version(
    session: Session, origin: Origin, new: NewVersion, now: datetime
) -> tuple[int, bool]:
    """Write the version. → its number, and whether it became the champion."""
    name = origin.model
    bump(session)  # first: its lock keeps two jobs from making the same model at once
    if session.get(Model, name) is None:
        session.add(Model(name=name, created_at=now, last_version=0))
        session.flush()
    earlier = session.scalars(select(ModelVersion.backends).where(ModelVersion.name == name)).all()
    number: int = session.execute(
        update(Model)
        .where(Model.name == name)
        .values(last_version=Model.last_version + 1)
        .returning(Model.last_version)
    ).scalar_one()
    session.add(
        ModelVersion(
            name=name,
            version=number,
            job_id=origin.job_id,
            created_at=now,
            task=new.task,
            signature=dict(new.signature),
            classes=None if new.classes is None else list(new.classes),
            metrics=dict(new.metrics),
            backends={key: dict(value) for key, value in new.backends.items()},
            lineage=dict(new.lineage),
            files=[file.to_json() for file in new.files],
        )
    )
    champion = _champion(session, name)
    promoted = becomes_champion(
        origin.promote,
        new.backends,
        new.metrics,
        champion_metrics=champion.metrics if champion else None,
        first=not any(automatic(backends) for backends in earlier),
    )
    if promoted:
        session.merge(Alias(name=name, alias=CHAMPION, version=number, updated_at=now))
    return number, promoted


def _champion(session: Session, name: str) -> ModelVersion | None:
    return session.scalars(
        select(ModelVersion)
        .join(Alias, (Alias.name == ModelVersion.name) & (Alias.version == ModelVersion.version))
        .where(ModelVersion.name == name, Alias.alias == CHAMPION)
    ).one_or_none()
