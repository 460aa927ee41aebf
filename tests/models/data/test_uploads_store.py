"""One file for a dataset of any kind: it comes back as it went in, or not at all."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from models.data.base import Dataset, DatasetInfo
from models.data.uploads import RefusedUpload, load, parse, save
from models.data.uploads.splitting import hold_out
from models.data.uploads.targets import Target
from models.errors import InvalidData
from tests.support.uploads import arrays_bytes, csv_bytes, images_bytes, sequences_bytes

KINDS: dict[Any, bytes] = {
    "csv": csv_bytes("regression"),
    "images": images_bytes(mode="RGB", kind="JPEG"),
    "arrays": arrays_bytes((1, 4, 4)),
    "sequences": sequences_bytes(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_stored_and_found_again(tmp_path: Path, kind: Any) -> None:
    upload, file, again = (tmp_path / name for name in ("upload", "ds.npz", "again.npz"))
    upload.write_bytes(KINDS[kind])
    parsed = parse(upload, kind, name="Mine", id="ds_1")
    save(parsed.dataset, file)
    found = load(file)
    assert found.info == parsed.dataset.info
    assert found.sha256 == parsed.dataset.sha256 == parsed.profile["sha256"]
    assert orjson.loads(orjson.dumps(parsed.profile)) == parsed.profile
    save(found, again)
    assert again.read_bytes() == file.read_bytes()


SHAPES = arrays.array_shapes(min_dims=2, max_dims=4, max_side=5)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(inputs=arrays.arrays(np.float32, SHAPES, elements=FLOATS), data=st.data())
def test_arrays_of_any_shape_come_back(
    tmp_path_factory: pytest.TempPathFactory, inputs: np.ndarray[Any, Any], data: st.DataObject
) -> None:
    rows, file = len(inputs), tmp_path_factory.mktemp("store") / "ds.npz"
    classes = data.draw(st.none() | st.just(("ä", "b")))
    targets = np.arange(rows) % 2 if classes else np.ones((rows, 1), np.float32)
    lengths = data.draw(st.none() | st.just(np.ones(rows, np.int64)))
    shape = inputs.shape[1:]
    info = DatasetInfo(
        "ds_1", "Mine", "arrays", "hypothesis", "binary", False, rows, shape, None, "y", classes
    )
    parts = (np.arange(rows // 2), np.arange(rows // 2, rows))
    truth = {"weights": inputs[0]}
    dataset = Dataset(info, inputs, targets, *parts, truth=truth, lengths=lengths)
    save(dataset, file)
    found = load(file)
    assert (found.info, found.sha256) == (info, dataset.sha256)
    assert np.array_equal(found.inputs, inputs)
    assert np.array_equal(found.truth["weights"], truth["weights"])


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    directory = tmp_path_factory.mktemp("stored")
    (directory / "upload").write_bytes(csv_bytes())
    save(parse(directory / "upload", "csv", name="Mine").dataset, directory / "ds.npz")
    return (directory / "ds.npz").read_bytes()


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path, stored: bytes) -> None:
    file = tmp_path / "ds.npz"
    for size in range(0, len(stored), 97):
        file.write_bytes(stored[:size])
        with pytest.raises(InvalidData, match="upload it again") as caught:
            load(file)
        assert str(tmp_path) not in str(caught.value)


def test_a_changed_byte_is_refused_or_changes_nothing(tmp_path: Path, stored: bytes) -> None:
    """Dates in the zip's directory mean nothing to a dataset; everything else does."""
    file = tmp_path / "ds.npz"
    file.write_bytes(stored)
    good, refused = load(file), 0
    places = range(11, len(stored), 53)
    for place in places:
        file.write_bytes(stored[:place] + bytes([stored[place] ^ 0xFF]) + stored[place + 1 :])
        try:
            found = load(file)
        except InvalidData:
            refused += 1
        else:
            assert (found.info, found.sha256) == (good.info, good.sha256)
    assert refused > 0.8 * len(places)


def test_other_numbers_under_the_old_digest_are_noticed(tmp_path: Path, stored: bytes) -> None:
    file = tmp_path / "ds.npz"
    file.write_bytes(stored)
    with np.load(file) as archive:
        content = dict(archive)
    content["inputs"][0, 0] += 1
    np.savez(file, allow_pickle=False, **content)
    with pytest.raises(InvalidData, match="is not what was stored"):
        load(file)


def test_pickles_are_not_opened(tmp_path: Path, stored: bytes) -> None:
    file = tmp_path / "ds.npz"
    file.write_bytes(stored)
    with np.load(file) as archive:
        content = dict(archive)
    content["inputs"] = np.array([{}], dtype=object)
    np.savez(file, **content)
    with pytest.raises(InvalidData, match="cannot be read"):
        load(file)


@given(sizes=st.lists(st.integers(2, 9), min_size=2, max_size=12))
def test_every_class_is_learned_and_tested(sizes: list[int]) -> None:
    codes = np.repeat(np.arange(len(sizes)), sizes)
    train, test = hold_out(Target("multiclass", codes, tuple(map(str, range(len(sizes))))))
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(len(codes)))
    assert set(codes[train]) == set(codes[test]) == set(codes)
    assert len(test) >= round(len(codes) / 5)


def test_an_unknown_kind_is_refused_by_its_field(tmp_path: Path) -> None:
    kind: Any = "xlsx"
    with pytest.raises(
        RefusedUpload, match=r"expected one of csv, images, .* got 'xlsx'"
    ) as caught:
        parse(tmp_path / "upload", kind, name="Mine")
    assert caught.value.field == "kind"


def test_a_refusal_crosses_processes(tmp_path: Path) -> None:
    error = pickle.loads(pickle.dumps(RefusedUpload("line 1: no", "target")))
    assert (str(error), error.field) == ("line 1: no", "target")
