"""Uploads of numpy's archives, and of sequences as JSON lines."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.data.uploads import Parsed, RefusedUpload, archives, content, parse
from tests.support.uploads import arrays_bytes, npz_bytes, zip_bytes

X = np.arange(24, dtype=np.float64).reshape(12, 2)
Y = np.arange(12) % 3
HALVES = Y.astype(np.float16)[:, None]
DIGITS = ("0", "1", "2")
COLUMNS_FIRST = np.asfortranarray(X.astype(">f4"))
PICTURES = np.arange(12 * 3 * 4 * 4, dtype=np.uint8).reshape(12, 3, 4, 4)
MASKS = (np.arange(12 * 4 * 4) % 2).reshape(12, 1, 4, 4)


def parsed(directory: Path, data: bytes, **asked: Any) -> Parsed:
    file = directory / "upload"
    file.write_bytes(data)
    return parse(file, "arrays", name="Mine", **asked)


@pytest.mark.parametrize(
    ("arrays", "task", "shape", "expected", "classes"),
    [
        ({"x": X, "y": Y}, None, (2,), "multiclass", DIGITS),
        ({"inputs": X, "targets": Y % 2 == 0}, None, (2,), "binary", ("0", "1")),
        ({"x": X, "y": Y.astype(np.float32)}, None, (2,), "regression", None),
        ({"x": X, "y": HALVES}, "multiclass", (2,), "multiclass", DIGITS),
        ({"x": X, "y": Y}, "regression", (2,), "regression", None),
        ({"x": X[:, None, None], "y": Y.astype("u8")}, None, (1, 1, 2), "multiclass", DIGITS),
        ({"x": COLUMNS_FIRST, "y": Y - 9}, None, (2,), "multiclass", ("-9", "-8", "-7")),
        ({"x": PICTURES, "y": MASKS}, None, (3, 4, 4), "segmentation", None),
    ],
)
def test_arrays_are_told_apart_by_type_unless_the_upload_says(
    tmp_path: Path, arrays: Any, task: Any, shape: Any, expected: str, classes: Any
) -> None:
    dataset = parsed(tmp_path, npz_bytes(**arrays), task=task).dataset
    info = dataset.info
    assert (info.kind, info.shape, info.task, info.classes) == ("arrays", shape, expected, classes)
    assert dataset.inputs.dtype == np.float32
    assert dataset.inputs.flags.c_contiguous
    given, targets = arrays.values()
    scale = 255 if given.dtype == np.uint8 else 1
    assert np.allclose(dataset.inputs * scale, given)
    if expected == "regression":
        assert (dataset.targets == targets.reshape(12, 1)).all()
    elif expected == "segmentation":
        assert (dataset.targets == targets).all()
        assert dataset.targets.dtype == np.float32
    else:
        assert [int(classes[code]) for code in dataset.targets] == targets.ravel().tolist()


def test_the_profile_tells_types_and_ranges(tmp_path: Path) -> None:
    profile = parsed(tmp_path, npz_bytes(x=X, y=Y)).profile
    assert profile["dtypes"] == {"x": "float64", "y": "int64"}
    assert profile["x"] == {"min": 0, "max": 23, "mean": 11.5, "std": pytest.approx(X.std())}
    assert profile["class_counts"] == {"0": 4, "1": 4, "2": 4}
    regression = parsed(tmp_path, arrays_bytes(task="regression")).profile
    assert regression["target"]["name"] == "target"


def at(row: int, value: float, array: Any = X) -> Any:
    changed = np.array(array, dtype=np.float64)
    changed[row] = value
    return changed


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X}, "expected two arrays, .*, got x"),
        ({"x": X, "inputs": X}, "expected two arrays, .*, got inputs, x"),
        ({"x_train": X, "y_train": Y, "y": Y}, "expected two arrays, .*, got x_train, y, y_train"),
        ({"x": X[:, 0], "y": Y}, r"x: expected rows of numbers, .*, got the shape \[12\]"),
        ({"x": X[:, :0], "y": Y}, r"x: expected rows of numbers, .*, got the shape \[12, 0\]"),
        ({"x": X.reshape(12, 1, 1, 1, 2), "y": Y}, r"x: .* got the shape \[12, 1, 1, 1, 2\]"),
        ({"x": X, "y": Y[:-1]}, "y: expected 12 rows, as many as x, got 11"),
        ({"x": X, "y": np.float32(1)}, "y: expected 12 rows, as many as x, got a single number"),
        ({"x": X, "y": X}, r"y: expected one value a row, .* got the shape \[12, 2\]"),
        ({"x": at(3, np.nan), "y": Y}, "x: expected finite numbers .*, got nan in row 4"),
        ({"x": at(3, 1e39), "y": Y}, r"x: .* float32 can hold, got 1e\+39 in row 4"),
        ({"x": X, "y": at(5, np.inf, Y)}, "y: expected finite numbers .*, got inf in row 6"),
        ({"x": X, "y": at(5, 1e39, Y)}, r"y: row 6: expected what float32 can hold, got 1e\+39"),
        ({"x": X.astype(str), "y": Y}, "entry 'x.npy': expected numbers, got the type <U"),
        ({"x": X * 1j, "y": Y}, "entry 'x.npy': expected numbers, got the type complex128"),
        ({"x": X.astype(object), "y": Y}, "entry 'x.npy': expected numbers, got the type object"),
        ({"x": X, "y": Y * 0}, "y: expected at least two classes, got only '0'"),
        ({"x": X, "y": np.arange(12)}, "y: expected at least 2 rows of each class, got 1 of '0'"),
        ({"x": X[:9], "y": Y[:9]}, "expected at least 10 rows, got 9"),
        ({"x": PICTURES, "y": MASKS[..., :3]}, r"y: expected a mask .* \[12, 1, 4, 3\] for \[12"),
        ({"x": PICTURES, "y": MASKS * 2}, "y: expected masks of zeros and ones, got other values"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, arrays: Any, message: str) -> None:
    with pytest.raises(RefusedUpload, match=message) as caught:
        parsed(tmp_path, npz_bytes(**arrays))
    assert caught.value.field == "file"


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode().ljust(200)
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + data


CLAIM = "{'descr': '<f4', 'fortran_order': False, 'shape': %s}"


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (b"", "expected an array in numpy's format, got none"),
        (b"\x93NUMPY\x09\0" + bytes(99), "expected an array in numpy's format, got none"),
        (npy("__import__('os')"), "expected an array in numpy's format, got none"),
        (npy(CLAIM % "(1 << 60, 2)"), "expected an array in numpy's format, got none"),
        (npy(CLAIM % "(1152921504606846976, 2)"), "expected what its header says, got 0 bytes"),
        (npy(CLAIM % "(12, 2)", bytes(95)), "expected what its header says, got 95 bytes"),
        (npy(CLAIM % "(12, 2)", bytes(97)), "expected what its header says, got 97 bytes"),
        (npy(CLAIM % "(-12, -2)", bytes(96)), "expected what its header says, got 96 bytes"),
    ],
)
def test_a_header_is_a_claim(tmp_path: Path, x: bytes, message: str) -> None:
    good = io.BytesIO()
    np.save(good, Y)
    with pytest.raises(RefusedUpload, match=f"entry 'x.npy': {message}"):
        parsed(tmp_path, zip_bytes({"x.npy": x, "y.npy": good.getvalue()}))


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = npz_bytes(x=np.zeros((100_000, 2)), y=np.zeros(100_000, np.int8))
    assert len(data) < 10_000
    monkeypatch.setattr(content, "MAX_ARRAY_BYTES", 1000)
    with pytest.raises(RefusedUpload, match=r"shape \[100000, 2\].*: upload fewer rows"):
        parsed(tmp_path, data)
    monkeypatch.setattr(archives, "MAX_BYTES", 1_000_000)
    with pytest.raises(RefusedUpload, match="at most 1000000 bytes unpacked"):
        parsed(tmp_path, data)


def sequences(directory: Path, *rows: Any, **asked: Any) -> Parsed:
    """Six of each of two classes, then `rows`: JSON values, or lines as they are."""
    good = [{"sequence": [[row, 1]] * (1 + row % 3), "label": "ab"[row % 2]} for row in range(12)]
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in [*good, *rows]]
    file = directory / "upload"
    file.write_bytes(b"\n".join(lines))
    return parse(file, "sequences", name="Mine", **asked)


def test_sequences_are_padded_and_their_lengths_kept(tmp_path: Path) -> None:
    found = sequences(tmp_path, b"", {"label": "b", "sequence": [[1.5, 2], [3, 4], [5, 6], [7, 8]]})
    dataset, info = found.dataset, found.dataset.info
    assert (info.shape, info.task, info.classes) == ((-1, 2), "binary", ("a", "b"))
    assert dataset.lengths is not None
    assert dataset.lengths.tolist() == [1, 2, 3] * 4 + [4]
    assert dataset.lengths.dtype == np.int64
    assert dataset.inputs.shape == (13, 4, 2)
    assert dataset.inputs[-1].tolist() == [[1.5, 2], [3, 4], [5, 6], [7, 8]]
    assert dataset.inputs[4].tolist() == [[4, 1], [4, 1], [0, 0], [0, 0]]
    assert found.profile["lengths"]["max"] == 4
    assert found.profile["features"][1]["max"] == 8


def test_steps_of_one_number_need_no_list_and_labels_may_be_numbers(tmp_path: Path) -> None:
    rows = [{"sequence": list(range(1 + row % 4)), "label": 10 - row % 3} for row in range(12)]
    file = tmp_path / "upload"
    file.write_text("\ufeff" + "\r\n".join(map(json.dumps, rows)))
    info = parse(file, "sequences", name="Mine").dataset.info
    assert (info.shape, info.classes) == ((-1, 1), ("8", "9", "10"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b"{", "expected JSON, got "),
        (b'{"sequence": [[1, NaN]], "label": "a"}', "expected JSON, got "),
        (b'{"sequence": [[1, 1e999]], "label": "a"}', "expected JSON, got "),
        (b'{"sequence": [[1, 2]], "label": "\\ud800"}', "expected JSON, got "),
        (b'{"sequence": [[1, 2]], "label": "\xff"}', "expected JSON, got "),
        (b'{"sequence": ' + b"[" * 100_000, "expected JSON, got "),
        ([1, 2], "expected an object .*, got another value"),
        ({"sequence": [[1, 2]]}, "expected the fields 'sequence' and 'label', got 'sequence'"),
        ({"sequence": [[1, 2]], "label": "a", "id": 7}, "expected the fields .*, got .*'id'"),
        ({"sequence": [], "label": "a"}, "field 'sequence': expected a list of steps, got none"),
        ({"sequence": "12", "label": "a"}, "field 'sequence': expected a list of steps, got none"),
        ({"sequence": [[]], "label": "a"}, "step 1: expected 1 to 10000 numbers, got 0"),
        ({"sequence": [[1, 2], [3]], "label": "a"}, "step 2: expected 2 numbers, got 1"),
        ({"sequence": [[1, 2], 3], "label": "a"}, "step 2: expected a list .*, got a number"),
        ({"sequence": [1, [2, 3]], "label": "a"}, "step 2: expected a number, got a list"),
        ({"sequence": [[1, "2"]], "label": "a"}, "step 1: expected a number, got '2'"),
        ({"sequence": [[1, True]], "label": "a"}, "step 1: expected a number, got true"),
        ({"sequence": [[1, None]], "label": "a"}, "step 1: expected a number, got null"),
        ({"sequence": [[1, [[2]]]], "label": "a"}, "step 1: expected a number, got a list"),
        ({"sequence": [[1, 10**40]], "label": "a"}, "step 1: expected what float32 can hold"),
        ({"sequence": [[1, 2, 3]], "label": "a"}, "expected steps of 2 numbers, .*, got 3"),
        ({"sequence": [[1, 2]] * 10_001, "label": "a"}, "at most 10000 steps, got 10001"),
        ({"sequence": [[1, 2]], "label": 1.5}, "field 'label': expected text or a whole number"),
        ({"sequence": [[1, 2]], "label": False}, "field 'label': expected text or a whole number"),
        (
            {"sequence": [[1, 2]], "label": 2**60},
            "field 'label': expected at most 9007199254740992",
        ),
        ({"sequence": [[1, 2]], "label": ""}, "field 'label': expected a name, got an empty one"),
        ({"sequence": [[1, 2]], "label": "a\0"}, "field 'label': .* control characters"),
    ],
)
def test_a_bad_line_is_refused_by_its_number(tmp_path: Path, row: Any, message: str) -> None:
    with pytest.raises(RefusedUpload, match=f"line 14: .*{message}") as caught:
        sequences(tmp_path, b" ", row)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("asked", "field", "message"),
    [
        ({"task": "regression"}, "task", "expected binary or multiclass for sequences"),
        ({"target": "label"}, "target", "only a CSV has columns, got 'label'"),
    ],
)
def test_what_the_form_cannot_ask_of_sequences_is_refused(
    tmp_path: Path, asked: Any, field: str, message: str
) -> None:
    with pytest.raises(RefusedUpload, match=message) as caught:
        sequences(tmp_path, **asked)
    assert caught.value.field == field


def test_padding_does_not_unfold_without_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "MAX_ARRAY_BYTES", 10_000)
    long = {"sequence": [[1, 2]] * 99, "label": "a"}
    with pytest.raises(RefusedUpload, match=r"the shape \[13, 99, 2\].*padded to the longest"):
        sequences(tmp_path, long)
