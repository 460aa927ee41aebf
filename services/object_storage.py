"""Storage in buckets, or whatever else fsspec reaches, behind a cache of files on this host.

A key is written once and never changed, so what is in the cache is never out of date. What reads
it opens files by their path (ONNX Runtime maps them), which is why there is a cache at all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.lazy import lazy
from services.errors import NotFound, Unavailable
from services.file_cache import FileCache
from services.storage import checked

if TYPE_CHECKING:
    import fsspec
else:
    fsspec = lazy("fsspec")


class ObjectStorage:
    def __init__(self, url: str, cache: FileCache) -> None:
        """`url` is fsspec's: `s3://bucket/prefix`, credentials and endpoint by the environment
        variables of the protocol's own library (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, …)."""
        self._url = url
        self._cache = cache
        self._opened: tuple[Any, str] | None = None

    def put_file(self, source: Path, key: str) -> None:
        """Objects appear whole: an upload that breaks off leaves nothing."""
        name = checked(key)
        if not source.is_file():
            raise FileNotFoundError(source)
        with self._answering():
            files, root = self._files()
            files.put_file(str(source), f"{root}/{name}")
        self._cache.forget(name)

    def local_path(self, key: str) -> Path:
        name = checked(key)
        return self._cache.get(name, lambda target: self._fetch(name, target))

    def has(self, key: str) -> bool:
        name = checked(key)
        with self._answering():
            files, root = self._files()
            return bool(files.exists(f"{root}/{name}"))

    def delete(self, key: str) -> None:
        name = checked(key)
        with self._answering(), contextlib.suppress(FileNotFoundError):
            files, root = self._files()
            files.rm_file(f"{root}/{name}")
        self._cache.forget(name)

    def _fetch(self, name: str, target: Path) -> None:
        try:
            with self._answering():
                files, root = self._files()
                files.get_file(f"{root}/{name}", str(target))
        except FileNotFoundError:
            last = name.rpartition("/")[2]
            raise NotFound(f"the stored file {last} is gone", code="file_not_found") from None

    def _files(self) -> tuple[Any, str]:
        """The file system and the path in it. Opened by the first use: its library is large."""
        if self._opened is None:
            # No listings kept: another process may have written since. No instance of another's.
            options = {"use_listings_cache": False, "skip_instance_cache": True}
            files, root = fsspec.url_to_fs(self._url, **options)
            self._opened = files, str(root).rstrip("/")
        return self._opened

    @contextlib.contextmanager
    def _answering(self) -> Generator[None]:
        """Whatever a protocol's library raises, but for a missing file, is a store that is away."""
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as error:
            raise Unavailable(
                f"the object store does not answer ({type(error).__name__})",
                code="storage_unavailable",
            ) from error
