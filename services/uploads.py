"""Taking in an uploaded dataset: checked as a whole before anything of it is kept."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.data import Dataset, DatasetInfo, uploads
from models.data.base import DataTask, Kind
from services.db.engine import Database
from services.db.tables import UploadedDataset
from services.errors import Busy, FieldError, Invalid
from services.ids import new_id
from services.storage import Storage

AT_ONCE = 2
"""Uploads that one process checks at a time: each may unpack to hundreds of megabytes."""
PATIENCE_S = 10.0
"""How long one more waits for its turn."""


@dataclass(frozen=True)
class NewUpload:
    """What a client says about the file that it uploads."""

    name: str
    kind: Kind
    target: str | None = None
    """The column to learn; None for the last one. Only a `csv` has columns."""
    task: DataTask | None = None
    """What the targets are, where they could be read in two ways; None to see for oneself."""


class Uploads:
    def __init__(self, db: Database, storage: Storage) -> None:
        self._db = db
        self._storage = storage
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    def add(self, file: Path, new: NewUpload) -> UploadedDataset:
        """→ the row, once data and row are both safe. Raises `Invalid` and `Busy`."""
        dataset_id = new_id("ds")
        key = f"datasets/{dataset_id}/data.npz"
        with self._turn():
            parsed = _parsed(file, new, dataset_id)
            size_bytes = self._keep(parsed.dataset, key)
        info = parsed.dataset.info
        row = UploadedDataset(
            id=dataset_id,
            name=new.name,
            kind=info.kind,
            task=info.task,
            target=info.target,
            rows=info.rows,
            info=asdict(info),
            profile=parsed.profile,
            key=key,
            size_bytes=size_bytes,
            sha256=parsed.dataset.sha256,
        )
        try:
            with self._db.write() as session:
                row.created_at = self._db.now(session)
                session.add(row)
        except BaseException:
            self._storage.delete(key)
            raise
        return row

    def _keep(self, dataset: Dataset, key: str) -> int:
        """Store the arrays. → how many bytes they take."""
        with tempfile.TemporaryDirectory(prefix="torchkiln-dataset-") as directory:
            made = Path(directory, "data.npz")
            uploads.save(dataset, made)
            self._storage.put_file(made, key)
            return made.stat().st_size

    @contextmanager
    def _turn(self) -> Generator[None]:
        if not self._turns.acquire(timeout=PATIENCE_S):
            raise Busy(f"{AT_ONCE} uploads are being checked; send this one again later")
        try:
            yield
        finally:
            self._turns.release()


def info_of(row: UploadedDataset) -> DatasetInfo:
    """A row's description; JSON has made its tuples lists."""
    fields: dict[str, Any] = {
        name: tuple[Any, ...](value) if isinstance(value, list) else value
        for name, value in row.info.items()
    }
    return DatasetInfo(**fields)


def _parsed(file: Path, new: NewUpload, dataset_id: str) -> uploads.Parsed:
    try:
        return uploads.parse(
            file, new.kind, name=new.name, target=new.target, task=new.task, id=dataset_id
        )
    except uploads.RefusedUpload as error:
        raise Invalid(
            "the file cannot be used as a dataset",
            code=error.code,
            errors=(FieldError(error.field, str(error)),),
        ) from None
