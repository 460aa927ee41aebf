"""The loaders of MNIST and its likes on files in their format that the tests make, and without a
network."""

from __future__ import annotations

import gzip
import inspect
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from models import data
from models.data import fashion_mnist, idx, mnist
from models.data.idx import IdxPictures
from models.errors import DatasetUnavailable
from tests.support.mnist_files import write_mnist
from tests.support.runs import Recorder

PICTURES = {one.info.id: one for one in (mnist.PICTURES, fashion_mnist.PICTURES)}
FAILING = "import sys; open(sys.argv[1] + '/half', 'w').write('x'); sys.exit(1)"


@pytest.mark.parametrize("pictures", PICTURES.values(), ids=PICTURES)
@pytest.mark.parametrize("zipped", [False, True])
def test_files_on_disk_are_read_plain_or_gzipped(
    tmp_path: Path, zipped: bool, pictures: IdxPictures
) -> None:
    arrays = write_mnist(tmp_path, name=pictures.name, zipped=zipped)
    assert [name for name in PICTURES if data.available(name, tmp_path)] == [pictures.info.id]
    dataset = data.load(pictures.info.id, tmp_path, Recorder())
    expected = arrays["train-images-idx3-ubyte"] / np.float32(255)
    assert (dataset.inputs[dataset.train][:, 0] == expected).all()
    assert (dataset.targets[dataset.test] == arrays["t10k-labels-idx1-ubyte"]).all()
    assert (len(dataset.train), len(dataset.test)) == (60, 20)
    shown = data.preview(pictures.info.id, tmp_path, rows=4)["rows"]
    assert pictures.info.classes is not None
    assert [row["label"] for row in shown] == list(pictures.info.classes[:4])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good[:-1],
        lambda good: b"\1" + good[1:],
        lambda good: b"",
        lambda good: good[:6],
        lambda good: good[:4] + (61).to_bytes(4, "big") + good[8:],
    ],
    ids=["cut off", "another type", "empty", "no shape", "another number of rows"],
)
@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
@pytest.mark.parametrize("zipped", [False, True])
def test_damaged_files_are_refused(tmp_path: Path, name: str, spoil, zipped: bool) -> None:
    write_mnist(tmp_path, zipped=zipped)
    path = tmp_path / "MNIST" / "raw" / (f"{name}.gz" if zipped else name)
    good = path.read_bytes()
    path.write_bytes(gzip.compress(spoil(gzip.decompress(good))) if zipped else spoil(good))
    with pytest.raises(DatasetUnavailable, match=r"datasets/MNIST/raw") as caught:
        data.load("mnist", tmp_path, Recorder())
    assert str(tmp_path) not in str(caught.value)


def test_a_cut_off_archive_is_refused(tmp_path: Path) -> None:
    write_mnist(tmp_path, zipped=True)
    path = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DatasetUnavailable, match="damaged"):
        data.load("mnist", tmp_path, Recorder())


def test_without_its_files_it_is_not_available_and_not_previewed(tmp_path: Path) -> None:
    assert not data.available("mnist", tmp_path)
    with pytest.raises(DatasetUnavailable, match="not on this machine yet"):
        data.preview("mnist", tmp_path)


def test_a_download_that_fails_says_what_to_do_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idx, "FETCH", FAILING)
    report = Recorder()
    with pytest.raises(DatasetUnavailable) as caught:
        data.load("mnist", tmp_path, report)
    message = str(caught.value)
    assert all(name in message for pair in idx.FILES.values() for name in pair)
    assert "'digits'" in message
    assert str(tmp_path) not in message
    assert report.logs == ["downloading MNIST (11 MB)"]
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_succeeds_is_moved_into_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path / "mirror")
    mirror = str(tmp_path / "mirror")
    copy = f"import shutil, sys; shutil.copytree({mirror!r}, sys.argv[1], dirs_exist_ok=True)"
    monkeypatch.setattr(idx, "FETCH", copy)
    report = Recorder()
    directory = tmp_path / "datasets"
    assert len(data.load("mnist", directory, report).train) == 60
    assert report.logs == ["downloading MNIST (11 MB)", "MNIST is downloaded"]
    assert [path.name for path in directory.iterdir()] == ["MNIST"]
    assert len(data.load("mnist", directory, report).train) == 60
    assert len(report.logs) == 2


@pytest.mark.parametrize("pictures", PICTURES.values(), ids=PICTURES)
def test_the_program_that_fetches_is_torchvisions_own(pictures: IdxPictures) -> None:
    fetching = getattr(datasets, pictures.name)
    compile(idx.FETCH.format(name=pictures.name), "fetch", "exec")
    inspect.signature(fetching).bind("root", download=True)
    fetched = {name.removesuffix(".gz") for name, _ in fetching.resources}
    assert fetched == {name for pair in idx.FILES.values() for name in pair}
    assert tuple(name.split(" - ")[0] for name in fetching.classes) == pictures.info.classes
