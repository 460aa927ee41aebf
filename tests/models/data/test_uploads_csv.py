"""CSV uploads: what the columns become, and where each mistake is said to be."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.data.uploads import Parsed, RefusedUpload, content, parse
from tests.support.uploads import CLASSES, csv_bytes

HEADER = "a,b,y"
GOOD = [f"{row},{row * row},{'no' if row % 2 else 'yes'}" for row in range(12)]


def parsed(directory: Path, data: bytes | str, **asked: Any) -> Parsed:
    file = directory / "upload"
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    return parse(file, "csv", name="Mine", **asked)


def lines(*changes: tuple[int, str], header: str = HEADER) -> str:
    """The good table, with other text in some lines, which are counted from one."""
    table = [header, *GOOD]
    for number, text in changes:
        table[number - 1] = text
    return "\n".join(table)


def targets(values: list[Any]) -> str:
    return "\n".join(["x,y", *(f"{row},{value}" for row, value in enumerate(values))])


def test_columns_become_inputs_and_the_last_one_the_target(tmp_path: Path) -> None:
    found = parsed(tmp_path, csv_bytes("multiclass"), id="ds_1")
    dataset, info = found.dataset, found.dataset.info
    assert (info.id, info.title, info.kind, info.task) == ("ds_1", "Mine", "csv", "multiclass")
    assert (info.features, info.target, info.classes) == (("x1", "x2"), "y", CLASSES)
    assert (info.rows, info.shape) == (40, (2,))
    rows = list(csv.reader(io.StringIO(csv_bytes("multiclass").decode())))[1:]
    assert (dataset.inputs == np.array([row[:2] for row in rows], dtype=np.float32)).all()
    assert [CLASSES[code] for code in dataset.targets] == [row[2] for row in rows]
    assert (len(dataset.train), len(dataset.test)) == (32, 8)
    assert set(dataset.targets[dataset.test]) == set(dataset.targets[dataset.train]) == {0, 1, 2}


def test_the_profile_tells_every_column(tmp_path: Path) -> None:
    found = parsed(tmp_path, "\n".join([HEADER, *GOOD]))
    profile = found.profile
    assert profile["sha256"] == found.dataset.sha256
    assert profile["class_counts"] == {"no": 6, "yes": 6}
    first, _, target = profile["columns"]
    known = {"name": "a", "type": "number", "missing": 0, "distinct": 12, "min": 0.0, "max": 11.0}
    assert {**known, "mean": 5.5, "std": pytest.approx(np.arange(12).std())} == first
    assert target == {"name": "y", "missing": 0, "type": "class", "distinct": 2}


def test_any_column_may_be_the_target(tmp_path: Path) -> None:
    table = csv_bytes("regression").replace(b"x1", b"  x1 ")
    found = parsed(tmp_path, b"\xef\xbb\xbf" + table.replace(b"\n", b"\r\n"), target="x1")
    info = found.dataset.info
    assert (info.features, info.target, info.task) == (("x2", "y"), "x1", "regression")
    assert found.profile["target"]["name"] == "x1"
    assert found.dataset.targets.dtype == np.float32
    assert found.dataset.targets.shape == (40, 1)
    swapped = parsed(tmp_path, table, target="y").dataset
    assert (swapped.inputs[:, 0] == found.dataset.targets[:, 0]).all()


@pytest.mark.parametrize(
    ("values", "task", "expected", "classes"),
    [
        ([10, 9] * 6, None, "binary", ("9", "10")),
        (["+1", "1.0", "2", "1e1"] * 3, None, "multiclass", ("1", "2", "10")),
        (["10", "9", "x"] * 4, None, "multiclass", ("10", "9", "x")),
        (["b", "a"] * 6, "multiclass", "multiclass", ("a", "b")),
        ([0.5, 1.5] * 6, None, "regression", None),
        (list(range(21)), None, "regression", None),
        (list(range(5)) * 3, "regression", "regression", None),
        (list(range(21)) * 2, "multiclass", "multiclass", tuple(map(str, range(21)))),
    ],
)
def test_the_values_say_what_the_target_is_unless_the_upload_does(
    tmp_path: Path, values: list[Any], task: Any, expected: str, classes: tuple[str, ...] | None
) -> None:
    info = parsed(tmp_path, targets(values), task=task).dataset.info
    assert (info.task, info.classes) == (expected, classes)


@pytest.mark.parametrize(
    ("values", "task", "field", "message"),
    [
        (["a", "b", "c"] * 4, "binary", "task", "has 3 classes, got 'binary'"),
        ([1.5, 2] * 6, "binary", "task", "expected regression, because column 'y' has .* 1.5"),
        (["a", "b"] * 6, "segmentation", "task", "has classes, got 'segmentation'"),
        (["a", "b"] * 6, "regression", "target", "line 2, column 'y': expected a number, got 'a'"),
        (["a", "b"] * 6, "other", "task", "expected one of regression, .*, got 'other'"),
        (["a"] * 12, None, "target", "column 'y': expected at least two classes, got only 'a'"),
        ([7] * 12, "regression", "target", "expected different values, got only 7.0"),
        ([*("ab" * 6), "c"], None, "target", "at least 2 rows of each class, got 1 of 'c'"),
        ([*("ab" * 6), ""], None, "target", "line 14, column 'y': .*, got an empty cell"),
        ([*range(30), "x"], None, "target", "line 32, column 'y': expected a number, got 'x'"),
        ([0, 1, "NaN"] * 4, None, "target", "line 4, column 'y': expected a number, got 'NaN'"),
        ([0.5] * 11 + ["1e39"], None, "target", "line 13, column 'y': .* float32 can hold"),
        (["a", "b\0"] * 6, None, "target", r"without control characters, got 'b\\x00'"),
        (["a", "b" * 129] * 6, None, "target", "at most 128 characters, got 129"),
        ([f"c{row}" for row in range(1001)] * 2, None, "target", "at most 1000 classes, got 1001"),
    ],
)
def test_a_target_that_does_not_fit_is_refused(
    tmp_path: Path, values: list[Any], task: Any, field: str, message: str
) -> None:
    with pytest.raises(RefusedUpload, match=message) as caught:
        parsed(tmp_path, targets(values), task=task)
    assert caught.value.field == field
    assert caught.value.code == "invalid_dataset"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "line 1: expected the names of the columns, got none"),
        ("1,2,3\n4,5,6", "line 1: expected the names of the columns, got none"),
        ("a;b;y\n1;2;no", "line 1: .* separated by commas, got 1: a;b;y"),
        (lines(header="a,,y"), "line 1, column 2: expected a name, got an empty one"),
        (lines(header="a, a,y"), "line 1: expected each column once, got 'a' more than once"),
        (lines(header="a,b\t,y\x1b"), r"line 1, column 3: .* control characters, got 'y\\x1b'"),
        (lines()[:20], "expected at least 10 rows, got 2"),
        (lines((5, "1,2")), "line 5: expected 3 cells, got 2"),
        (lines((5, "1,2,yes,no")), "line 5: expected 3 cells, got 4"),
        (lines((6, "1,,no")), "line 6, column 'b': expected a number, got an empty cell"),
        (lines((6, "1, ,no")), "line 6, column 'b': expected a number, got an empty cell"),
        (lines((6, "1,two,no")), "line 6, column 'b': expected a number, got 'two'"),
        (lines((3, '1,2,"no\n "'), (6, "x,2,no")), "line 7, column 'a': .* got 'x'"),
        (lines((3, ""), (6, "x,2,no")), "line 6, column 'a': .* got 'x'"),
        (lines((6, "nan,2,no")), "line 6, column 'a': expected a number, got 'nan'"),
        (lines((6, "1,-inf,no")), "line 6, column 'b': expected a number, got '-inf'"),
        (lines((6, "1,1e999,no")), "line 6, column 'b': expected a number, got '1e999'"),
        (lines((6, "1_0,2,no")), "line 6, column 'a': expected a number, got '1_0'"),
        (lines((6, "\u0661,2,no")), "line 6, column 'a': expected a number"),
        (lines((6, "3.5e38,-3.5e38,no")), "line 6, column 'a': .* float32 can hold, got 3.5e"),
        (lines((6, '1,"2"3,no')), "line 6: expected CSV, got "),
        (lines((13, '1,2,"no')), "line 13: expected CSV, got unexpected end of data"),
        (lines((6, "1,2," + "n" * 200_000)), "line 6: expected CSV, got field larger than"),
        (lines((6, "1,2,ÿ")).encode("latin-1"), "line 6: expected UTF-8, .* at its byte 5"),
        (lines().encode("utf-16"), "line 1: expected UTF-8"),
    ],
)
def test_every_mistake_is_refused_where_it_stands(
    tmp_path: Path, table: bytes | str, message: str
) -> None:
    with pytest.raises(RefusedUpload, match=message) as caught:
        parsed(tmp_path, table)
    assert caught.value.field == "file"
    assert len(str(caught.value)) < 300


def test_a_target_that_is_no_column_is_refused_with_the_columns(tmp_path: Path) -> None:
    with pytest.raises(RefusedUpload, match=r"one of the columns a, b, y, got 'z'") as caught:
        parsed(tmp_path, lines(), target="z")
    assert caught.value.field == "target"


def test_a_table_that_outgrows_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "MAX_ARRAY_BYTES", 64)
    with pytest.raises(RefusedUpload, match=r"the shape \[9, 2\].*upload fewer rows"):
        parsed(tmp_path, lines())


NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(
    rows=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=10, max_size=30),
    dialect=st.sampled_from([("\n", csv.QUOTE_MINIMAL), ("\r\n", csv.QUOTE_ALL)]),
)
def test_what_was_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, float]], dialect: Any
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=dialect[0], quoting=dialect[1])
    writer.writerow(["first", "se,cond", "kind"])
    writer.writerows([*row, ("odd", "even")[number % 2]] for number, row in enumerate(rows))
    dataset = parsed(tmp_path_factory.mktemp("csv"), text.getvalue()).dataset
    assert dataset.info.features == ("first", "se,cond")
    assert (dataset.inputs == np.array(rows, dtype=np.float32)).all()
    assert sorted([*dataset.train, *dataset.test]) == list(range(len(rows)))
