"""Datasets that jobs can name: the built-in ones, as `models.data` has them, and uploads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from models import data
from models.data import DatasetInfo
from models.data.uploads import heads
from models.errors import DatasetUnavailable
from services.db.engine import Database
from services.db.tables import Job, UploadedDataset
from services.errors import Conflict, FieldError, Invalid, NotFound
from services.job_state import TERMINAL
from services.paging import DEFAULT_LIMIT, Page
from services.storage import Storage
from services.uploads import NewUpload, Uploads, info_of


@dataclass(frozen=True)
class DatasetView:
    """A dataset with what is known of it here."""

    info: DatasetInfo
    available: bool
    """Whether a job could use it now, without a network."""
    upload: UploadedDataset | None = None
    """Its row; None where it is built in."""


class Datasets:
    def __init__(self, db: Database, storage: Storage, downloads_dir: Path) -> None:
        self._db = db
        self._storage = storage
        self._downloads = downloads_dir
        self._uploads = Uploads(db, storage)

    def list(self, *, limit: int = DEFAULT_LIMIT, after: str | None = None) -> Page[DatasetView]:
        """The built-in ones in the order of their table, then uploads, newest first.

        Raises `Invalid` for an `after` that is no dataset.
        """
        builtin = [*data.BUILTIN.values()]
        if after is not None:
            passed = next((at for at, info in enumerate(builtin, 1) if info.id == after), None)
            builtin = [] if passed is None else builtin[passed:]
            after = after if passed is None else None
        head = [self._builtin(info) for info in builtin[: limit + 1]]
        with self._db.read() as session:
            rows = _newest(session, limit + 1 - len(head), after)
        return Page.cut([*head, *map(self._uploaded, rows)], limit)

    def get(self, dataset_id: str) -> DatasetView:
        if dataset_id in data.BUILTIN:
            return self._builtin(data.BUILTIN[dataset_id])
        with self._db.read() as session:
            return self._uploaded(_existing(session, dataset_id))

    def preview(self, dataset_id: str, *, rows: int = 10) -> dict[str, Any]:
        """The first rows. Raises `models.errors.DatasetUnavailable`."""
        if dataset_id in data.BUILTIN:
            return data.preview(dataset_id, self._downloads, rows=rows)
        with self._db.read() as session:
            row = _existing(session, dataset_id)
        return heads.preview(self._file(row), info_of(row), rows)

    def create(self, file: Path, new: NewUpload) -> DatasetView:
        """Check, profile and keep an uploaded file. Nothing is kept of one that is refused.

        Raises `Invalid` (`invalid_dataset`) that names the line, column or entry at fault, and
        `Busy` while as many as are allowed are being checked.
        """
        return self._uploaded(self._uploads.add(file, new))

    def delete(self, dataset_id: str) -> None:
        """Forget an upload. Raises `Conflict` while a job that has not ended uses it."""
        if dataset_id in data.BUILTIN:
            raise Conflict(
                f"{dataset_id} is built in and cannot be deleted", code="builtin_dataset"
            )
        with self._db.write() as session:
            row = _existing(session, dataset_id)
            job = session.scalars(
                select(Job).where(Job.dataset == dataset_id, Job.status.not_in(TERMINAL)).limit(1)
            ).first()
            if job is not None:
                raise Conflict(f"job {job.id}, {job.status}, uses it", code="dataset_in_use")
            session.delete(row)
        self._storage.delete(row.key)

    def local_file(self, dataset_id: str) -> Path | None:
        """Where an upload is on this host; None for a built-in dataset.

        Raises `models.errors.DatasetUnavailable` for one that was deleted meanwhile.
        """
        if dataset_id in data.BUILTIN:
            return None
        with self._db.read() as session:
            row = session.get(UploadedDataset, dataset_id)
        if row is None:
            raise DatasetUnavailable(f"the dataset {dataset_id} was deleted; upload it again")
        return self._file(row)

    def _file(self, row: UploadedDataset) -> Path:
        try:
            return self._storage.local_path(row.key)
        except NotFound:
            raise DatasetUnavailable(
                f"the stored file of the dataset {row.id} is gone; upload it again"
            ) from None

    def _builtin(self, info: DatasetInfo) -> DatasetView:
        return DatasetView(info, data.available(info.id, self._downloads))

    def _uploaded(self, row: UploadedDataset) -> DatasetView:
        return DatasetView(info_of(row), available=self._storage.has(row.key), upload=row)


def _existing(session: Session, dataset_id: str) -> UploadedDataset:
    row = session.get(UploadedDataset, dataset_id)
    if row is None:
        raise NotFound(f"no dataset has the id {dataset_id}", code="dataset_not_found")
    return row


def _newest(session: Session, limit: int, after: str | None) -> list[UploadedDataset]:
    """At most `limit` uploads, those behind `after`, the newest first."""
    found = select(UploadedDataset)
    if after is not None:
        last = session.get(UploadedDataset, after)
        if last is None:
            raise Invalid(
                "there is no such page",
                errors=(FieldError("after", f"expected the id of a dataset, got {after!r}"),),
            )
        found = found.where(
            tuple_(UploadedDataset.created_at, UploadedDataset.id) < (last.created_at, last.id)
        )
    newest_first = (UploadedDataset.created_at.desc(), UploadedDataset.id.desc())
    return [*session.scalars(found.order_by(*newest_first).limit(limit))]
