"""The loader of the house prices on archives in its format that the tests make."""

from __future__ import annotations

import inspect
import io
import tarfile
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.datasets import _california_housing, fetch_california_housing, fetch_file

from models import data
from models.data import california
from models.errors import DatasetUnavailable
from tests.support.runs import Recorder

ROWS = 40


def archive(table: bytes, member: str = california.MEMBER) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as made:
        entry = tarfile.TarInfo(member)
        entry.size = len(table)
        made.addfile(entry, io.BytesIO(table))
    return buffer.getvalue()


def table(rows: int = ROWS) -> bytes:
    """Districts with totals of the real ones' size, written as in the original file."""
    generator = np.random.default_rng(0)
    low = [-124, 33, 1, 500, 100, 300, 90, 1, 20_000]
    high = [-115, 41, 52, 9000, 2000, 6000, 1500, 12, 500_000]
    buffer = io.BytesIO()
    np.savetxt(buffer, generator.uniform(low, high, (rows, 9)), fmt="%.6f", delimiter=",")
    return buffer.getvalue()


def test_it_is_what_scikit_learn_makes_of_the_same_file(tmp_path: Path) -> None:
    """Scikit-learn reads its own cache, which holds the table with its columns in another order."""
    (tmp_path / california.FILE).write_bytes(archive(table()))
    columns = np.loadtxt(io.BytesIO(table()), delimiter=",")[:, [8, 7, 2, 3, 4, 5, 6, 1, 0]]
    joblib.dump(columns, tmp_path / "cal_housing_py3.pkz")
    expected = fetch_california_housing(data_home=tmp_path, download_if_missing=False)
    assert data.available("california", tmp_path)
    dataset = data.load("california", tmp_path, Recorder())
    assert (dataset.inputs == expected.data.astype(np.float32)).all()
    assert (dataset.targets[:, 0] == expected.target.astype(np.float32)).all()
    assert list(california.INFO.features or ()) == expected.feature_names
    assert [california.INFO.target] == expected.target_names
    assert (len(dataset.train), len(dataset.test)) == (32, 8)
    shown = data.preview("california", tmp_path, rows=3)
    assert shown["rows"][2][:-1] == dataset.inputs[2].tolist()
    assert len(shown["rows"]) == 3


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"not an archive",
        archive(table())[:-40],
        archive(table(), "CaliforniaHousing/other.data"),
        archive(b""),
        archive(b"1,2,3\n"),
        archive(table() + b"1,2,3,4,5,6,seven,8,9\n"),
        archive(table() + b"1,2,3,4,5,6,0,8,9\n"),
        archive(table() + b"1,2,3,4,5,6,7,8,nan\n"),
    ],
    ids=[
        "empty",
        "no archive",
        "cut off",
        "another name",
        "no rows",
        "other columns",
        "a word",
        "no households",
        "not a number",
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / california.FILE).write_bytes(damaged)
    with pytest.raises(DatasetUnavailable, match=r"cal_housing\.tgz is damaged") as caught:
        data.load("california", tmp_path, Recorder())
    assert str(tmp_path) not in str(caught.value)


def test_one_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / california.FILE).write_bytes(archive(table()))
    monkeypatch.setattr(california, "LIMIT", len(table()) - 1)
    with pytest.raises(DatasetUnavailable, match="damaged"):
        data.load("california", tmp_path, Recorder())


def test_without_its_file_or_a_network_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(california, "FETCH", "raise SystemExit(1)")
    assert not data.available("california", tmp_path)
    with pytest.raises(DatasetUnavailable, match="not on this machine yet"):
        data.preview("california", tmp_path)
    with pytest.raises(DatasetUnavailable, match=r"put cal_housing\.tgz.*'diabetes'") as caught:
        data.load("california", tmp_path, Recorder())
    assert str(tmp_path) not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_succeeds_is_moved_into_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / california.FILE).write_bytes(archive(table()))
    source = str(tmp_path / california.FILE)
    monkeypatch.setattr(
        california, "FETCH", f"import shutil, sys; shutil.copy({source!r}, sys.argv[1])"
    )
    report, directory = Recorder(), tmp_path / "datasets"
    assert len(data.load("california", directory, report).inputs) == ROWS
    assert report.logs[0] == "downloading California housing (0.5 MB)"
    assert [path.name for path in directory.iterdir()] == [california.FILE]
    data.load("california", directory, report)
    assert len(report.logs) == 2


def test_the_program_that_fetches_is_scikit_learns_own() -> None:
    compile(california.FETCH, "fetch", "exec")
    found = _california_housing.ARCHIVE
    assert found.filename == california.FILE
    inspect.signature(fetch_file).bind(found.url, "folder", found.filename, found.checksum)
    assert california.MEMBER in inspect.getsource(_california_housing)
