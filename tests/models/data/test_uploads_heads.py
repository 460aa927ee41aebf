"""A preview of a stored upload is what one of the whole of it would be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.data.base import Dataset, DatasetInfo, Kind
from models.data.previews import preview_of
from models.data.uploads import heads, parse, save
from models.errors import InvalidData
from tests.support import uploads

FILES: dict[Kind, bytes] = {
    "csv": uploads.csv_bytes("regression"),
    "images": uploads.images_bytes(),
    "arrays": uploads.arrays_bytes((2, 3)),
    "sequences": uploads.sequences_bytes(),
}


@pytest.mark.parametrize("kind", FILES)
def test_the_first_rows_are_read_without_the_rest(tmp_path: Path, kind: Kind) -> None:
    source, stored = tmp_path / "upload", tmp_path / "data.npz"
    source.write_bytes(FILES[kind])
    dataset = parse(source, kind, name="mine").dataset
    save(dataset, stored)
    lengths = None if dataset.lengths is None else dataset.lengths[:3]
    expected = preview_of(dataset.info, dataset.inputs[:3], dataset.targets[:3], lengths)
    shown = heads.preview(stored, dataset.info, 3)
    assert shown == expected == json.loads(json.dumps(shown, allow_nan=False))
    assert len(heads.preview(stored, dataset.info, 100)["rows"]) == uploads.ROWS


def test_steps_are_shown_without_their_padding(tmp_path: Path) -> None:
    source = tmp_path / "upload"
    source.write_bytes(FILES["sequences"])
    dataset = parse(source, "sequences", name="mine").dataset
    assert dataset.lengths is not None
    assert len(set(dataset.lengths.tolist())) > 1
    shown = preview_of(dataset.info, dataset.inputs, dataset.targets, dataset.lengths)
    assert [len(row["steps"]) for row in shown["rows"]] == dataset.lengths.tolist()


def test_rows_may_be_scattered_over_the_file(tmp_path: Path) -> None:
    """numpy writes an array column by column where that is how it lies in memory."""
    columns = np.asfortranarray(np.arange(30, dtype=np.float32).reshape(10, 3))
    info = DatasetInfo("d", "d", "arrays", "test", "regression", False, 10, (3,), target="y")
    half = np.arange(5)
    targets = np.arange(10, dtype=np.float32)[:, None]
    save(Dataset(info, columns, targets, half, half + 5), tmp_path / "data.npz")
    shown = heads.preview(tmp_path / "data.npz", info, 2)
    assert shown["columns"] == ["x1", "x2", "x3", "y"]
    assert shown["rows"] == [[0.0, 1.0, 2.0, 0.0], [3.0, 4.0, 5.0, 1.0]]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", uploads.npz_bytes(other=np.zeros(3))])
def test_what_is_no_stored_dataset_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    info = DatasetInfo("d", "d", "arrays", "test", "regression", False, 10, (3,))
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(InvalidData, match="upload it again"):
        heads.preview(tmp_path / "data.npz", info, 2)
