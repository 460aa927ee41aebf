"""What holds for every built-in dataset that needs no network."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from models import data
from models.data import BUILTIN, LOADERS, Dataset
from tests.support.runs import Recorder

BUNDLED = [name for name, info in BUILTIN.items() if info.bundled]


def load(name: str, directory: Path) -> Dataset:
    return data.load(name, directory, Recorder())


def test_every_file_that_exports_a_dataset_is_in_the_table() -> None:
    package = Path(data.__file__).parent
    exported = {
        module.DATASET.info.id
        for path in package.glob("*.py")
        if hasattr(module := importlib.import_module(f"models.data.{path.stem}"), "DATASET")
    }
    assert exported == set(BUILTIN) == {info.id for info in BUILTIN.values()}


@pytest.mark.parametrize("name", BUNDLED)
def test_it_is_what_its_description_says(name: str, tmp_path: Path) -> None:
    dataset, info = load(name, tmp_path), BUILTIN[name]
    assert data.available(name, tmp_path)
    assert dataset.inputs.dtype == np.float32
    assert dataset.inputs.shape == (info.rows, *info.shape)
    assert np.isfinite(dataset.inputs).all()
    assert len(dataset.targets) == info.rows
    if info.classes is None:
        assert dataset.targets.dtype == np.float32
        assert dataset.targets.shape == (info.rows, 1)
    else:
        assert dataset.targets.dtype == np.int64
        assert set(dataset.targets.tolist()) == set(range(len(info.classes)))
    if info.features is not None:
        assert (len(info.features),) == info.shape


@pytest.mark.parametrize("name", BUNDLED)
def test_each_row_is_in_one_part_and_both_have_every_class(name: str, tmp_path: Path) -> None:
    dataset = load(name, tmp_path)
    both = np.concatenate([dataset.train, dataset.test])
    assert sorted(both.tolist()) == list(range(len(dataset.inputs)))
    assert len(dataset.test) >= 64
    if dataset.info.classes is not None:
        shares = [
            np.bincount(dataset.targets[part]) / len(part) for part in (dataset.train, dataset.test)
        ]
        assert np.abs(shares[0] - shares[1]).max() < 0.02


DIGESTS = {
    "digits": "59fbfee1ecc1d8c936049ca2bbb37b56d13b709bff99102ffde007d19fa21ced",
    "moons": "c57a76986efb824b59b35953253a32b550b10d2bb0d4c91c11095f10ab81fe87",
    "synthetic-linear": "9a360e805b20ab6b161962fdf5d5c79ae28710756c532b5a6c302678df31734b",
}
"""A change of these makes earlier and later versions of a model incomparable."""


@pytest.mark.parametrize("name", BUNDLED)
def test_the_bytes_are_the_same_everywhere_and_always(name: str, tmp_path: Path) -> None:
    assert load(name, tmp_path).sha256 == DIGESTS[name]


def test_the_digest_tells_data_apart(tmp_path: Path) -> None:
    one, other = load("digits", tmp_path), load("digits", tmp_path)
    moved = Dataset(one.info, one.inputs, one.targets, one.test, one.train)
    changed = Dataset(one.info, one.inputs + 1, one.targets, one.train, one.test)
    assert one.sha256 == other.sha256
    assert len({one.sha256, moved.sha256, changed.sha256}) == 3


@pytest.mark.parametrize("name", BUNDLED)
def test_a_preview_is_json_of_the_first_rows(name: str, tmp_path: Path) -> None:
    dataset, info = load(name, tmp_path), BUILTIN[name]
    shown = json.loads(json.dumps(data.preview(name, tmp_path, rows=3), allow_nan=False))
    assert len(shown["rows"]) == 3
    if info.kind == "images":
        first = shown["rows"][0]
        assert np.asarray(first["pixels"]).shape == info.shape
        assert first["label"] == info.classes[dataset.targets[0]]  # type: ignore[index]
    else:
        assert shown["columns"] == [*info.features, info.target]  # type: ignore[misc]
        assert shown["rows"][0][:-1] == pytest.approx(dataset.inputs[0].tolist())


@pytest.mark.parametrize("name", BUNDLED)
def test_loading_twice_gives_arrays_that_do_not_spoil_each_other(name: str, tmp_path: Path) -> None:
    first = load(name, tmp_path)
    with pytest.raises(ValueError, match="read-only"):
        first.inputs[0] = 0
    assert load(name, tmp_path).sha256 == first.sha256


def test_an_unknown_name_is_a_key_error(tmp_path: Path) -> None:
    for call in (data.available, data.preview):
        with pytest.raises(KeyError):
            call("cifar", tmp_path)
    assert set(LOADERS) == set(BUILTIN)
