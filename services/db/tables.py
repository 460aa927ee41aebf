"""The SQL tables. SQL is the truth of the service; the broker only wakes workers up.

Times are timezone-aware UTC in PostgreSQL and UTC text in SQLite. JSON columns hold what the
contract shows as objects.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from services.db.base import Base


class Leased:
    """Columns of work that one worker at a time may hold (see services/leases.py)."""

    status: Mapped[str] = mapped_column(String(16), index=True)
    token: Mapped[int] = mapped_column(Integer, default=0)
    """Rises with every claim: a writer that holds an older one has lost the work."""
    lease_until: Mapped[datetime | None]
    worker: Mapped[str | None] = mapped_column(String(128))
    woken_at: Mapped[datetime]
    """When the last wake-up message was sent."""


class Job(Leased, Base):
    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    pipeline: Mapped[str] = mapped_column(String(64), index=True)
    params: Mapped[dict[str, Any]]
    seed: Mapped[int] = mapped_column(BigInteger)
    device: Mapped[str] = mapped_column(String(16))
    world_size: Mapped[int]
    hosts: Mapped[int] = mapped_column(Integer, default=1, server_default=text("1"))
    min_world_size: Mapped[int] = mapped_column(Integer, default=1, server_default=text("1"))
    """With so many processes it runs where there are no more hosts."""
    priority: Mapped[int]
    dataset: Mapped[str | None] = mapped_column(String(64))
    model: Mapped[str | None] = mapped_column(String(64), index=True)
    model_version: Mapped[int | None]
    promote: Mapped[str] = mapped_column(String(16))
    meta: Mapped[dict[str, Any]] = mapped_column("metadata")
    stop: Mapped[dict[str, Any]]
    webhook: Mapped[str | None] = mapped_column(Text)
    """Where its owner is told that it has ended or paused."""
    counted_from: Mapped[int] = mapped_column(Integer, default=1, server_default=text("1"))
    """The first attempt that counts against the limits; `resume` begins a new count."""
    idempotency_key: Mapped[str | None] = mapped_column(String(255), unique=True)
    request_sha256: Mapped[str] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(64))
    traceparent: Mapped[str | None] = mapped_column(String(55))
    """The span that it was submitted in, as W3C's Trace Context has it; None if there was none."""
    kill: Mapped[bool] = mapped_column(Boolean, default=False)
    """With status `cancelling`: do not wait for a checkpoint."""
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    placed_device: Mapped[str | None] = mapped_column(String(16))
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    metrics: Mapped[dict[str, Any]]
    results: Mapped[dict[str, Any]]
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)
    event_seq: Mapped[int] = mapped_column(Integer, default=0)
    """The id of the job's latest event; events of one job are numbered 1, 2, 3, …"""

    __table_args__ = (
        Index("ix_jobs_queue", "status", "priority", "created_at"),
        Index("ix_jobs_created", "created_at", "id"),
    )


class Attempt(Base):
    __tablename__ = "attempts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[int]
    worker: Mapped[str] = mapped_column(String(128))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(16))
    exact: Mapped[bool | None]
    """Whether it goes on as the checkpoint's own attempt would have; None until that is known."""
    last_report: Mapped[str | None] = mapped_column(String(32))
    """Id of what was last written of it, so that a repeated write is told from a new one."""


class Seat(Base):
    """A host of an attempt besides its own worker, which is seat 0; gone when that has ended."""

    __tablename__ = "seats"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    token: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(String(16))
    endpoint: Mapped[str] = mapped_column(String(255))
    """Where the leader's trainer is met, `address:port`."""
    device: Mapped[str] = mapped_column(String(16))
    checkpoint_id: Mapped[str | None] = mapped_column(String(32))
    worker: Mapped[str | None] = mapped_column(String(128))
    lease_until: Mapped[datetime | None]
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """`code` and `message` of what its ranks have failed with."""
    __table_args__ = (UniqueConstraint("job_id", "token", "worker"),)  # a seat for each worker


class Event(Base):
    __tablename__ = "events"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    type: Mapped[str] = mapped_column(String(16))
    level: Mapped[str] = mapped_column(String(8))
    message: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]]


class Checkpoint(Base):
    __tablename__ = "checkpoints"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    attempt: Mapped[int]
    epoch: Mapped[int]
    step: Mapped[int]
    metrics: Mapped[dict[str, Any]]
    best: Mapped[bool]
    abandoned: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """Left behind by a `resume` from an earlier one: no attempt goes on from it by itself."""
    key: Mapped[str] = mapped_column(Text)
    """Where the bytes are, in storage."""
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]


class Artifact(Base):
    __tablename__ = "artifacts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    title: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]


class Delivery(Base):
    """News of a job for its webhook: written with what it tells of, kept until it has arrived."""

    __tablename__ = "deliveries"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    url: Mapped[str] = mapped_column(Text)
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    tries: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    """When it is to be sent, next or for the first time; None: delivered, or given up."""
    delivered_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)
    """What was wrong with the last try."""


class UploadedDataset(Base):
    __tablename__ = "datasets"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    task: Mapped[str] = mapped_column(String(16))
    target: Mapped[str] = mapped_column(Text)
    rows: Mapped[int]
    info: Mapped[dict[str, Any]]
    """The fields of `models.data.DatasetInfo`."""
    profile: Mapped[dict[str, Any]]
    key: Mapped[str] = mapped_column(Text)
    """Where its arrays are, in storage."""
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    """Of what a training sees (`models.data.Dataset.sha256`), as in the lineage of versions."""
    created_at: Mapped[datetime]

    __table_args__ = (Index("ix_datasets_created", "created_at", "id"),)


class Model(Base):
    __tablename__ = "models"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    created_at: Mapped[datetime]
    last_version: Mapped[int] = mapped_column(Integer, default=0)
    """The highest number given out; numbers are never used twice."""
    unloaded: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """Whether every serving process refuses requests to it, until it is loaded again."""


class ModelVersion(Base):
    __tablename__ = "model_versions"

    name: Mapped[str] = mapped_column(ForeignKey("models.name"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id"), index=True)
    created_at: Mapped[datetime]
    task: Mapped[str] = mapped_column(String(16))
    signature: Mapped[dict[str, Any]]
    classes: Mapped[list[Any] | None] = mapped_column(JSON)
    metrics: Mapped[dict[str, Any]]
    backends: Mapped[dict[str, Any]]
    lineage: Mapped[dict[str, Any]]
    files: Mapped[list[Any]]
    """`{"name","media_type","size_bytes","sha256","key"}` of each file, in storage."""


class Alias(Base):
    __tablename__ = "aliases"

    name: Mapped[str] = mapped_column(ForeignKey("models.name"), primary_key=True)
    alias: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int]
    updated_at: Mapped[datetime]


class Benchmark(Leased, Base):
    __tablename__ = "benchmarks"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    model: Mapped[str] = mapped_column(String(64), index=True)
    version: Mapped[int]
    request: Mapped[dict[str, Any]]
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    results: Mapped[list[Any] | None] = mapped_column(JSON)
    environment: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    winners: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    host: Mapped[str | None] = mapped_column(String(128))
    """Where it was made; before that, where it has to be made, if not anywhere."""
    plot_key: Mapped[str | None] = mapped_column(Text)
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)


class ApiKey(Base):
    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[Any]]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Worker(Base):
    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    host: Mapped[str] = mapped_column(String(128))
    pid: Mapped[int]
    queues: Mapped[list[Any]]
    devices: Mapped[list[Any]]
    slots: Mapped[int]
    current_jobs: Mapped[list[Any]]
    started_at: Mapped[datetime]
    last_heartbeat: Mapped[datetime]


class RegistryRevision(Base):
    """One row, made by the migration; see services/revision.py."""

    __tablename__ = "registry_revision"

    id: Mapped[int] = mapped_column(primary_key=True)
    revision: Mapped[int]
