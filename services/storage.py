"""Where checkpoints, artifacts and model files are kept, under keys like `jobs/job_01J…/1/a.png`.

A key is written once and never changed: a new attempt or version has keys of its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path, PurePosixPath
from typing import Protocol

from services.errors import NotFound


class Storage(Protocol):
    """Any method raises `Unavailable` where what keeps the bytes does not answer."""

    def put_file(self, source: Path, key: str) -> None:
        """Keep the bytes of `source` under `key`, all of them or none, synced to disk."""
        ...

    def local_path(self, key: str) -> Path:
        """A file on this host with the bytes of `key`; raises `NotFound`."""
        ...

    def has(self, key: str) -> bool:
        """Whether `key` is there; costs less than fetching it."""
        ...

    def delete(self, key: str) -> None:
        """Forget `key`; nothing happens if it is not there."""
        ...


class FileStorage:
    """Storage in a directory, which several hosts may share."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put_file(self, source: Path, key: str) -> None:
        target = self._path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        try:
            _link_or_copy(source, partial)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        _sync_directory(target.parent)

    def local_path(self, key: str) -> Path:
        path = self._path(key)
        if not path.is_file():
            raise NotFound(f"the stored file {path.name} is gone", code="file_not_found")
        return path

    def has(self, key: str) -> bool:
        return self._path(key).is_file()

    def delete(self, key: str) -> None:
        path = self._path(key)
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another file is still in it
            path.parent.rmdir()

    def _path(self, key: str) -> Path:
        return self.root / checked(key)


def checked(key: str) -> str:
    """`key`, as a relative path that leads nowhere else. Raises ValueError."""
    parts = PurePosixPath(key).parts
    if not parts or key.startswith("/") or ".." in parts:
        raise ValueError(f"not a storage key: {key!r}")
    return "/".join(parts)


def _link_or_copy(source: Path, target: Path) -> None:
    """A hard link where the file system has them: the writer has synced the bytes already, and
    replaces files instead of changing them. A synced copy elsewhere."""
    try:
        os.link(source, target)
    except OSError:
        with source.open("rb") as reader, target.open("wb") as writer:
            shutil.copyfileobj(reader, writer, 1 << 20)
            writer.flush()
            os.fsync(writer.fileno())


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
