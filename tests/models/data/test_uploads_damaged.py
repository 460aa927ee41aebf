"""Whatever comes: it is a dataset, or it is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.data.uploads import RefusedUpload, parse
from tests.support.uploads import (
    csv_bytes,
    images_bytes,
    npz_bytes,
    picture_bytes,
    sequences_bytes,
    zip_bytes,
)

PICTURE = picture_bytes(np.arange(75, dtype=np.uint8).reshape(5, 5, 3))
PICTURES = {f"{label}/{row}.png": PICTURE for label in "ab" for row in range(6)}
ROWS = np.arange(24, dtype=np.float32).reshape(12, 2)
LABELS = np.arange(12) % 2


def npy(array: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


CASES: dict[str, tuple[Any, bytes, Any]] = {
    "csv": ("csv", csv_bytes(rows=12), bytes),
    "sequences": ("sequences", sequences_bytes(12, 3), bytes),
    "zip": ("images", images_bytes(12, side=4), bytes),
    "npz": ("arrays", npz_bytes(x=ROWS, y=LABELS), bytes),
    # What a zip's own digests would hide from the readers behind it.
    "picture": ("images", PICTURE, lambda data: zip_bytes({**PICTURES, "b/x.png": data})),
    "array": ("arrays", npy(ROWS), lambda data: zip_bytes({"x.npy": data, "y.npy": npy(LABELS)})),
}
PIECES = st.sampled_from(
    [b"", b"\0", b"\xff", b"nan", b"1e999", b"9" * 400, b"\n", b'"', b"[" * 99]
)


@pytest.mark.parametrize("case", CASES)
@given(edits=st.lists(st.tuples(st.integers(0, 1 << 12), PIECES, st.integers(0, 9)), max_size=4))
def test_damage_is_refused_or_does_no_harm(
    tmp_path_factory: pytest.TempPathFactory, case: str, edits: list[tuple[int, bytes, int]]
) -> None:
    kind, data, packed = CASES[case]
    for place, piece, gone in edits:
        at = place % len(data)
        data = data[:at] + piece + data[at + gone :]
    file: Path = tmp_path_factory.getbasetemp() / f"damaged-{case}"
    file.write_bytes(packed(data))
    try:
        dataset = parse(file, kind, name="Mine").dataset
    except RefusedUpload:
        assert edits
        return
    assert np.isfinite(dataset.inputs).all()
    assert len(dataset.train) + len(dataset.test) == dataset.info.rows == len(dataset.targets)
