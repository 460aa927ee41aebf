"""The contract of the storage port; every implementation is run through it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.container import storage_of
from services.errors import NotFound, Unavailable
from services.file_cache import FileCache
from services.object_storage import ObjectStorage
from services.settings import Settings
from services.storage import FileStorage, Storage
from tests.support import s3

KINDS = ("directory", "objects", "s3")


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3.server() as url:
        yield url


@pytest.fixture(params=KINDS)
def opened(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Storage]:
    """Opens the same store as another host would: with a cache of its own."""

    def at(host: str) -> Storage:
        if request.param == "directory":
            return FileStorage(tmp_path / "files")
        cache = FileCache(tmp_path / host / "cache", 2**20)
        if request.param == "objects":
            return ObjectStorage(f"memory://{tmp_path.name}", cache)
        endpoint = request.getfixturevalue("bucket")
        for name, value in s3.environment(endpoint).items():
            monkeypatch.setenv(name, value)
        return ObjectStorage(f"s3://{s3.BUCKET}/{tmp_path.name}", cache)

    return at


@pytest.fixture
def storage(opened: Callable[[str], Storage]) -> Storage:
    return opened("here")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"bytes")
    return path


def test_what_is_put_can_be_read_until_it_is_deleted(storage: Storage, source: Path) -> None:
    storage.put_file(source, "jobs/job_1/1/a.png")
    source.unlink()
    assert storage.has("jobs/job_1/1/a.png")
    assert storage.local_path("jobs/job_1/1/a.png").read_bytes() == b"bytes"
    storage.delete("jobs/job_1/1/a.png")
    storage.delete("jobs/job_1/1/a.png")
    assert not storage.has("jobs/job_1/1/a.png")
    with pytest.raises(NotFound, match=r"the stored file a\.png is gone"):
        storage.local_path("jobs/job_1/1/a.png")


def test_putting_again_replaces_the_whole(storage: Storage, source: Path) -> None:
    storage.put_file(source, "a")
    other = source.with_name("other")
    other.write_bytes(b"more")
    storage.put_file(other, "a")
    assert storage.local_path("a").read_bytes() == b"more"
    assert source.read_bytes() == b"bytes", "the source is never written to"


def test_what_one_host_puts_another_reads(
    opened: Callable[[str], Storage], storage: Storage, source: Path
) -> None:
    other = opened("there")
    assert not other.has("a/b")
    storage.put_file(source, "a/b")
    storage.put_file(source, "a/c")
    paths = [other.local_path(key) for key in ("a/b", "a/c")]
    assert [path.read_bytes() for path in paths] == [b"bytes", b"bytes"]
    assert paths[0].parent == paths[1].parent, "files of one folder are in one folder here"


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


def test_a_store_that_is_away_is_said_to_be(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.environment("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    away = ObjectStorage("s3://nowhere/x", FileCache(tmp_path / "cache", 0))
    for use in (lambda: away.put_file(source, "a"), lambda: away.local_path("a")):
        with pytest.raises(Unavailable, match="the object store does not answer"):
            use()
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_many_readers_fetch_a_file_once(tmp_path: Path) -> None:
    cache, fetched = FileCache(tmp_path, 100), []

    def fetch(target: Path) -> None:
        fetched.append(target)
        target.write_bytes(b"x" * 10)

    readers = [threading.Thread(target=cache.get, args=("a", fetch)) for _ in range(8)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert len(fetched) == 1


def test_the_cache_lets_go_of_what_was_read_longest_ago(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 20, in_use_s=0)
    for name in ("a", "b", "a", "c"):
        cache.get(name, lambda target: target.write_bytes(b"x" * 10) and None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c"]


def test_what_may_be_in_use_stays_however_large_it_is(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 0)
    for name in ("a", "b"):
        cache.get(name, lambda target: target.write_bytes(b"x") and None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.parametrize(
    ("url", "kind"),
    [("", FileStorage), ("file:///mnt/x", FileStorage), ("s3://b/x", ObjectStorage)],
)
def test_the_setting_says_which(url: str, kind: type[Storage], tmp_path: Path) -> None:
    assert isinstance(storage_of(Settings(data_dir=tmp_path, storage_url=url)), kind)
