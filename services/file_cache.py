"""Files of this host that can be fetched again: fetched once, kept while there is room."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

IN_USE_S = 3600.0
"""A file that was asked for more recently is not removed: its reader may not have opened it yet."""

TURNS = 32
"""Files that may be fetched at once; two of the same name never are."""


class FileCache:
    """Several processes may share the directory: what is in it under a name is always whole."""

    def __init__(self, directory: Path, max_bytes: int, *, in_use_s: float = IN_USE_S) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._in_use_s = in_use_s
        self._turns = [threading.Lock() for _ in range(TURNS)]

    def get(self, name: str, fetch: Callable[[Path], None]) -> Path:
        """The file of that name; `fetch` writes it to the path that it is given, if it has to.

        Of several threads that ask at once one fetches. Raises what `fetch` raises.
        """
        path = self._directory / name
        with self._turns[hash(name) % TURNS]:
            if not path.is_file():
                self._fetch(path, fetch)
                self._make_room()
            with suppress(OSError):  # removed by another process just now: it is fetched again
                os.utime(path)
                return path
            self._fetch(path, fetch)
            return path

    def forget(self, name: str) -> None:
        (self._directory / name).unlink(missing_ok=True)

    def _fetch(self, path: Path, fetch: Callable[[Path], None]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        partial = Path(name)
        try:
            fetch(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def _make_room(self) -> None:
        """Remove what was asked for least recently, until the rest fits."""
        found = sorted(self._files(), key=lambda entry: entry[0])
        left = sum(size for _, size, _ in found)
        for used_at, size, path in found:
            if left <= self._max_bytes or time.time() - used_at < self._in_use_s:
                return
            path.unlink(missing_ok=True)
            left -= size

    def _files(self) -> list[tuple[float, int, Path]]:
        """When each was last asked for, its bytes, its path."""
        found: list[tuple[float, int, Path]] = []
        for path in self._directory.rglob("*"):
            with suppress(OSError):  # gone meanwhile
                if path.is_file() and not path.name.startswith("."):
                    stat = path.stat()
                    found.append((stat.st_mtime, stat.st_size, path))
        return found
