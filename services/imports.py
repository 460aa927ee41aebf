"""Taking in a model that was trained elsewhere: nothing of it is kept before it is checked."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from models.errors import RefusedModel
from models.files import sha256
from models.imports import heads
from models.imports.requests import Format, ImportRequest
from services.db.engine import Database
from services.errors import Busy, FieldError, Invalid
from services.ids import NAME, is_name, new_id
from services.importer import Importer
from services.publications import NewVersion, Origin, StoredFile, insert_version
from services.registry import Registry, VersionView
from services.settings import Settings
from services.storage import Storage

AT_ONCE = 1
"""Imports that one process has checked at a time: each may take gigabytes."""
PATIENCE_S = 20.0
"""How long one more waits for its turn."""


@dataclass(frozen=True)
class NewImport:
    """What a client says about the model that it sends."""

    task: str | None = None
    classes: Sequence[str] | None = None
    architecture: Mapping[str, Any] | None = None
    """Given: the file is a safetensors state dict for it. None: the file is ONNX."""
    signature: Mapping[str, Any] | None = None
    promote: str = "never"
    note: str | None = None
    """In its owner's words, where it comes from."""
    metadata: Mapping[str, Any] | None = None

    @property
    def format(self) -> Format:
        return "onnx" if self.architecture is None else "safetensors"


class Imports:
    def __init__(
        self, db: Database, storage: Storage, registry: Registry, settings: Settings
    ) -> None:
        self._db = db
        self._storage = storage
        self._registry = registry
        self._memory_bytes = settings.import_memory_bytes
        self._importer = Importer(limit_s=settings.import_limit_s)
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    def create(self, model: str, file: Path, new: NewImport) -> VersionView:
        """→ the new version of `model`, once files and row are both safe.

        Raises `Invalid` (`invalid_model`) with the tensor or operator at fault, `Busy`, and
        `Unavailable` when the service stops.
        """
        _check(model, file, new)
        with self._turn(), tempfile.TemporaryDirectory(prefix="torchkiln-import-") as made:
            directory = Path(made)
            found = self._importer.run(self._request(file, new, directory), directory)
            files = self._store(model, found["publication"]["files"])
        try:
            number = self._insert(model, new, found, files, _lineage(file, new, found["origin"]))
        except BaseException:
            for stored in files:
                self._storage.delete(stored.key)
            raise
        return self._registry.version(model, str(number))

    def close(self) -> None:
        """End the import that is being checked."""
        self._importer.close()

    def _request(self, file: Path, new: NewImport, directory: Path) -> ImportRequest:
        return ImportRequest(
            format=new.format,
            file=str(file),
            directory=str(directory),
            task=new.task,
            classes=None if new.classes is None else list(new.classes),
            architecture=new.architecture,
            signature=new.signature,
            memory_bytes=self._memory_bytes,
        )

    def _store(self, model: str, files: Sequence[Mapping[str, Any]]) -> list[StoredFile]:
        prefix = f"models/{model}/{new_id('import')}"
        stored: list[StoredFile] = []
        for file in files:
            key = f"{prefix}/{file['name']}"
            self._storage.put_file(Path(file["path"]), key)
            stored.append(
                StoredFile(
                    file["name"], file["media_type"], file["size_bytes"], file["sha256"], key
                )
            )
        return stored

    def _insert(
        self,
        model: str,
        new: NewImport,
        found: Mapping[str, Any],
        files: Sequence[StoredFile],
        lineage: Mapping[str, Any],
    ) -> int:
        made = found["publication"]
        version = NewVersion(
            task=made["task"],
            signature=made["signature"],
            classes=made["classes"],
            metrics=made["metrics"],
            backends=made["backends"],
            lineage=lineage,
            files=files,
        )
        with self._db.write() as session:
            origin = Origin(model, None, new.promote)
            return insert_version(session, origin, version, self._db.now(session))[0]

    @contextmanager
    def _turn(self) -> Generator[None]:
        if not self._turns.acquire(timeout=PATIENCE_S):
            raise Busy(
                f"{AT_ONCE} import is being checked; send this one again later", retry_after_s=5.0
            )
        try:
            yield
        finally:
            self._turns.release()


def _check(model: str, file: Path, new: NewImport) -> None:
    """What can be told without opening the file."""
    if not is_name(model):
        raise Invalid(
            "not a name",
            errors=(FieldError("name", f"expected {NAME.pattern}, got {model!r}"),),
        )
    if new.signature is not None and new.architecture is None:
        raise Invalid(
            "an ONNX file tells its own signature",
            code="invalid_model",
            errors=(FieldError("signature", "expected none without an architecture, got one"),),
        )
    with file.open("rb") as stream:
        head = stream.read(heads.HEAD_BYTES)
    try:
        heads.check(head, file.stat().st_size, new.format)
    except RefusedModel as error:
        raise Invalid(
            "the file cannot be imported as a model",
            code=error.code,
            errors=(FieldError(error.field, str(error)),),
        ) from None


def _lineage(file: Path, new: NewImport, origin: Mapping[str, Any]) -> dict[str, Any]:
    """The contract's keys, which no training has filled, and what is known instead."""
    return {
        "job_id": None,
        "checkpoint_sha256": None,
        "dataset_sha256": None,
        "code_version": installed("torchkiln"),
        "params": {},
        "imported": {
            "format": new.format,
            "file_sha256": sha256(file),
            "size_bytes": file.stat().st_size,
            **origin,
        },
        "note": new.note,
        "metadata": dict(new.metadata or {}),
    }
