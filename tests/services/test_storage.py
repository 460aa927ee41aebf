"""The contract of the storage port; every implementation is run through it."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.errors import NotFound
from services.storage import FileStorage, Storage


@pytest.fixture(params=[FileStorage])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return request.param(tmp_path / "files")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"bytes")
    return path


def test_what_is_put_can_be_read_until_it_is_deleted(storage: Storage, source: Path) -> None:
    storage.put_file(source, "jobs/job_1/1/a.png")
    source.unlink()
    assert storage.local_path("jobs/job_1/1/a.png").read_bytes() == b"bytes"
    storage.delete("jobs/job_1/1/a.png")
    storage.delete("jobs/job_1/1/a.png")
    with pytest.raises(NotFound):
        storage.local_path("jobs/job_1/1/a.png")


def test_putting_again_replaces_the_whole(storage: Storage, source: Path) -> None:
    storage.put_file(source, "a")
    other = source.with_name("other")
    other.write_bytes(b"more")
    storage.put_file(other, "a")
    assert storage.local_path("a").read_bytes() == b"more"
    assert source.read_bytes() == b"bytes", "the source is never written to"


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../a", "a/../../b"])
def test_a_key_cannot_leave_the_storage(storage: Storage, source: Path, key: str) -> None:
    with pytest.raises(ValueError, match="not a storage key"):
        storage.put_file(source, key)


def test_a_put_that_fails_leaves_nothing(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        storage.put_file(tmp_path / "missing", "a/b")
    with pytest.raises(NotFound):
        storage.local_path("a/b")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
