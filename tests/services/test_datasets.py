from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from models.data import BUILTIN, uploads
from models.errors import DatasetUnavailable, InvalidData
from services import uploads as taking_in
from services.container import Container
from services.db import migrate
from services.db.engine import Database
from services.errors import Busy, Conflict, Invalid, NotFound, Unavailable
from services.settings import Settings
from tests.services import factories
from tests.services.conftest import RecordingQueue
from tests.support.uploads import arrays_bytes, csv_bytes, images_bytes, sequences_bytes


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """The services over SQLite alone, for what no database sees."""
    made = Container(Settings(data_dir=tmp_path_factory.mktemp("local")), queue=RecordingQueue())
    migrate.upgrade(made.db)
    yield made
    made.close()


def stored(container: Container) -> list[Path]:
    return [*(container.settings.files_dir / "datasets").glob("*/*")]


def test_an_upload_is_kept_as_it_was_understood(container: Container) -> None:
    dataset_id = factories.upload(container, csv_bytes())
    view = container.datasets.get(dataset_id)
    assert view.available
    assert view.upload is not None
    file = container.datasets.local_file(dataset_id)
    assert file is not None
    assert [file] == stored(container)
    dataset = uploads.load(file)
    assert dataset.info == view.info
    assert dataset.sha256 == view.upload.sha256 == view.upload.profile["sha256"]
    assert file.stat().st_size == view.upload.size_bytes
    assert container.datasets.preview(dataset_id, rows=2)["columns"] == ["x1", "x2", "y"]


def test_a_refused_upload_leaves_nothing(container: Container) -> None:
    with pytest.raises(Invalid) as caught:
        factories.upload(container, csv_bytes(), target="z")
    assert caught.value.code == "invalid_dataset"
    assert [error.field for error in caught.value.errors] == ["target"]
    assert stored(container) == []
    assert len(container.datasets.list().data) == len(BUILTIN)


def test_an_upload_whose_row_cannot_be_written_leaves_no_file(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def broken(_db: Database) -> Generator[Session]:
        assert len(stored(container)) == 1
        raise Unavailable("the database does not answer")
        yield

    monkeypatch.setattr(Database, "write", broken)
    with pytest.raises(Unavailable):
        factories.upload(container, csv_bytes())
    assert stored(container) == []


def test_no_more_uploads_are_unpacked_at_once_than_there_is_memory_for(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, parse = threading.Event(), uploads.parse
    begun = threading.Semaphore(0)

    def slow(*arguments: Any, **options: Any) -> uploads.Parsed:
        begun.release()
        go.wait()
        return parse(*arguments, **options)

    monkeypatch.setattr(uploads, "parse", slow)
    monkeypatch.setattr(taking_in, "PATIENCE_S", 0.0)
    threads = [
        threading.Thread(target=factories.upload, args=(container, csv_bytes()))
        for _ in range(taking_in.AT_ONCE)
    ]
    for thread in threads:
        thread.start()
    for _ in threads:
        begun.acquire()
    with pytest.raises(Busy):
        factories.upload(container, csv_bytes())
    go.set()
    for thread in threads:
        thread.join()
    factories.upload(container, csv_bytes())
    assert len(stored(container)) == taking_in.AT_ONCE + 1


def test_pages_go_from_the_built_in_ones_to_the_oldest_upload(container: Container) -> None:
    ids = [factories.upload(container, csv_bytes()) for _ in range(3)]
    expected = [*BUILTIN, *ids[::-1]]
    found: list[str] = []
    after = None
    more = True
    while more:
        page = container.datasets.list(limit=2, after=after)
        found += [view.info.id for view in page.data]
        after, more = found[-1], page.has_more
    assert found == expected
    assert container.datasets.list(limit=2, after=ids[0]).data == []
    with pytest.raises(Invalid, match="no such page") as caught:
        container.datasets.list(after="ds_none")
    assert [error.field for error in caught.value.errors] == ["after"]


def test_an_upload_stays_as_long_as_a_job_needs_it(container: Container) -> None:
    dataset_id = factories.upload(container, csv_bytes())
    jobs = [factories.submit(container, dataset=dataset_id) for _ in range(2)]
    factories.claimed(container, jobs[0])
    for job in jobs:
        with pytest.raises(Conflict, match=r"job_.* uses it") as caught:
            container.datasets.delete(dataset_id)
        assert caught.value.code == "dataset_in_use"
        container.job_control.cancel(job)
    with pytest.raises(Conflict, match="cancelling"):  # the one that runs has not stopped yet
        container.datasets.delete(dataset_id)


def test_what_was_deleted_is_gone(container: Container) -> None:
    dataset_id = factories.upload(container, csv_bytes())
    container.job_control.cancel(factories.submit(container, dataset=dataset_id))
    container.datasets.delete(dataset_id)
    assert stored(container) == []
    for look in (container.datasets.get, container.datasets.preview, container.datasets.delete):
        with pytest.raises(NotFound) as caught:
            look(dataset_id)
        assert caught.value.code == "dataset_not_found"
    with pytest.raises(DatasetUnavailable, match="deleted"):
        container.datasets.local_file(dataset_id)


def test_what_is_built_in_stays(container: Container) -> None:
    with pytest.raises(Conflict) as caught:
        container.datasets.delete("digits")
    assert caught.value.code == "builtin_dataset"
    assert container.datasets.local_file("digits") is None


def test_a_lost_or_damaged_file_is_told(container: Container) -> None:
    dataset_id = factories.upload(container, csv_bytes())
    (file,) = stored(container)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InvalidData, match="upload it again"):
        container.datasets.preview(dataset_id)
    file.unlink()
    assert not container.datasets.get(dataset_id).available
    for look in (container.datasets.preview, container.datasets.local_file):
        with pytest.raises(DatasetUnavailable, match="gone"):
            look(dataset_id)


FITS = [
    ("binary-classification", "csv", csv_bytes("binary", features=5)),
    ("image-classification", "images", images_bytes()),
    ("image-classification", "images", images_bytes(classes=("ant", "bee"), mode="RGB")),
    ("image-classification", "arrays", arrays_bytes((3, 8, 8))),
]
FITS_NOT = [
    ("binary-classification", "csv", csv_bytes("multiclass"), "tabular rows (multiclass)"),
    ("binary-classification", "sequences", sequences_bytes(), "sequences rows (binary)"),
    ("image-classification", "csv", csv_bytes("multiclass"), "tabular rows (multiclass)"),
    ("image-classification", "arrays", arrays_bytes((4, 8, 8)), "rows of shape [4, 8, 8]"),
    ("diagnostics", "csv", csv_bytes(), "expected none"),
]


@pytest.mark.parametrize(("pipeline", "kind", "content"), FITS)
def test_a_job_may_name_an_upload_that_fits(
    local: Container, pipeline: str, kind: str, content: bytes
) -> None:
    dataset_id = factories.upload(local, content, kind=kind)
    job = factories.submit(local, pipeline=pipeline, dataset=dataset_id)
    assert local.jobs.get(job).job.dataset == dataset_id


@pytest.mark.parametrize(("pipeline", "kind", "content", "words"), FITS_NOT)
def test_a_job_that_names_another_is_told_what_fits(
    local: Container, pipeline: str, kind: str, content: bytes, words: str
) -> None:
    dataset_id = factories.upload(local, content, kind=kind)
    with pytest.raises(Invalid) as caught:
        factories.submit(local, pipeline=pipeline, dataset=dataset_id)
    (error,) = caught.value.errors
    assert error.field == "dataset"
    assert words in error.message
    assert f"does not fit {pipeline}: expected" in error.message
