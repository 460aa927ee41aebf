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
    modules = [importlib.import_module(f"models.data.{path.stem}") for path in package.glob("*.py")]
    exported = {module.DATASET.info.id for module in modules if hasattr(module, "DATASET")}
    exported |= {one.info.id for module in modules for one in getattr(module, "DATASETS", ())}
    assert exported == set(BUILTIN) == {info.id for info in BUILTIN.values()}


@pytest.mark.parametrize("name", BUNDLED)
def test_it_is_what_its_description_says(name: str, tmp_path: Path) -> None:
    dataset, info = load(name, tmp_path), BUILTIN[name]
    assert data.available(name, tmp_path)
    assert dataset.inputs.dtype == np.float32
    steps = () if dataset.lengths is None else (int(dataset.lengths.max()),)
    assert dataset.inputs.shape == (info.rows, *steps, *info.shape[len(steps) :])
    assert bool(steps) == (info.kind == "sequences") == (info.shape[0] == -1)
    assert np.isfinite(dataset.inputs).all()
    assert len(dataset.targets) == info.rows
    if info.classes is None:
        assert dataset.targets.dtype == np.float32
        of_row = (1, *info.shape[1:]) if info.task == "segmentation" else (1,)
        assert dataset.targets.shape == (info.rows, *of_row)
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
    "digits-0-4": "94a74bb0cf5e496197c7d7cd6b915b42c1ad867c3a22b70b6f73f3f4a478c5c9",
    "digits-5-9": "1d76145fbad0e82392d3ff3c67ea1d805092fd73410927d709bee956890f8f2f",
    "digits": "59fbfee1ecc1d8c936049ca2bbb37b56d13b709bff99102ffde007d19fa21ced",
    "moons": "c57a76986efb824b59b35953253a32b550b10d2bb0d4c91c11095f10ab81fe87",
    "breast-cancer": "25ab641a4512c4916d0a45edd70a852a3355389d2c8a8586cb87c9715a2828bf",
    "waves": "7d045f4c5ed13c1d55b6929eb6607eb298ad47960496afc5218ad90d9d096677",
    "wine": "4be44f5c40d5dd709c43ba2f1cab38f76504533a019f3ba1a21d0306065b44a4",
    "diabetes": "a89d82bc832e5524b97b8852e6988673f40877dfe72d1d0d3599deda8a36c3b6",
    "shapes": "87bbf17b96950a08c55f73f80758e92f53bc9728ed01a0c404ae550c6f5f3958",
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
        target = dataset.targets[0]
        assert first[info.target] == (info.classes[target] if info.classes else target.tolist())
    elif dataset.lengths is not None:
        first, length = shown["rows"][0], dataset.lengths[0]
        assert first["steps"] == dataset.inputs[0, :length].tolist()
        assert first[info.target] == info.classes[dataset.targets[0]]  # type: ignore[index]
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
