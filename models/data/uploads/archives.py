"""Zip files from strangers: bounded before, and while, they are unpacked."""

from __future__ import annotations

import re
import stat
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile, ZipInfo

from models.data.uploads.text import has_control, shown
from models.errors import RefusedUpload

MAX_ENTRIES = 50_000
MAX_BYTES = 512 << 20
"""Unpacked, of all entries together."""

PIECE = 1 << 20
MARK = b"PK\x01\x02"
"""Begins each entry of a zip's directory."""

_ENCRYPTED = 0x1


class Archive:
    """The files in a zip by their path, none of which leads out of it."""

    def __init__(self, zipped: ZipFile) -> None:
        self._zipped = zipped
        self._files = _files(zipped)
        self._sizes: dict[str, int] = {}
        self._total = 0

    @property
    def names(self) -> list[str]:
        """In alphabetical order, so that the order of packing decides nothing."""
        return sorted(self._files)

    def read(self, name: str, at_most: int | None = None) -> bytearray:
        """A file's bytes, counted as they come: what the header says may be a lie.

        Refuses what is damaged, more than `at_most` bytes, or too much with all read before.
        """
        others = self._total - self._sizes.get(name, 0)
        content = bytearray()
        try:
            with self._zipped.open(self._files[name]) as stream:
                while piece := stream.read(PIECE):
                    content += piece
                    _check(name, len(content), at_most, MAX_BYTES - others)
        except RefusedUpload:
            raise
        except Exception as error:  # zlib and zipfile raise half a dozen kinds
            raise refusal(
                name, "expected a file that can be unpacked, got a damaged one"
            ) from error
        self._sizes[name] = len(content)
        self._total = others + len(content)
        return content


@contextmanager
def opened(file: Path) -> Generator[Archive]:
    """The zip in `file`. Refuses what is none, or what may lead out of it."""
    _check_count(file)
    try:
        zipped = ZipFile(file)
    except Exception as error:  # as above, and what decoding its names raises
        raise RefusedUpload("expected a zip file, got one that cannot be read") from error
    with zipped:
        yield Archive(zipped)


def refusal(name: str, message: str) -> RefusedUpload:
    return RefusedUpload(f"entry {shown(name, 128)}: {message}")


def _check_count(file: Path) -> None:
    """Before `ZipFile`, which makes an object of every entry there is room for."""
    count, before = 0, b""
    with file.open("rb") as stream:
        while piece := stream.read(PIECE):
            count += (before + piece).count(MARK)
            before = piece[1 - len(MARK) :]
    if count > MAX_ENTRIES:
        raise RefusedUpload(f"expected at most {MAX_ENTRIES} entries, got {count}")


def _check(name: str, size: int, at_most: int | None, room: int) -> None:
    if at_most is not None and size > at_most:
        raise refusal(name, f"expected at most {at_most} bytes unpacked, got more")
    if size > room:
        raise RefusedUpload(
            f"expected at most {MAX_BYTES} bytes unpacked, got more by entry {shown(name, 128)}"
        )


def _files(zipped: ZipFile) -> dict[str, ZipInfo]:
    files: dict[str, ZipInfo] = {}
    for info in zipped.infolist():
        name = info.filename.replace("\\", "/")
        if (problem := _problem(name, info)) is not None:
            raise refusal(info.orig_filename, problem)
        if name in files:
            raise refusal(name, "expected each name once, got it twice")
        if not name.endswith("/"):
            files[name] = info
    return files


def _problem(name: str, info: ZipInfo) -> str | None:
    parts = name.removesuffix("/").split("/")
    if ".." in parts or name.startswith("/") or re.match("[A-Za-z]:", name):
        return "expected a path inside the archive, got one that leads out of it"
    if has_control(info.orig_filename):
        return "expected a name without control characters, got one with them"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "expected a file, got a symbolic link"
    if info.flag_bits & _ENCRYPTED:
        return "expected a file without encryption, got an encrypted one"
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return "expected it stored or deflated, got another compression"
    return None
