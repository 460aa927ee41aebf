from __future__ import annotations

import numpy as np
import pytest

from services.errors import Invalid
from services.serving import csv_rows
from tests.services.serving.conftest import tensor, version

TABLE = version([tensor("features", "FP32", [-1, 2])])


def test_rows_under_a_header() -> None:
    arrays, count = csv_rows.parse(b'\xef\xbb\xbfx1,"x 2"\r\n1,2.5\r\n-1e3, 4\r\n\r\n', TABLE)
    assert count == 2
    assert arrays["features"].dtype == np.float32
    assert arrays["features"].tolist() == [[1, 2.5], [-1000, 4]]


def test_a_header_alone_is_no_rows() -> None:
    arrays, count = csv_rows.parse(b"a,b\n", TABLE)
    assert (count, arrays["features"].shape) == (0, (0, 2))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "names of the columns"),
        (b"1,2\n3,4\n", "names of the columns"),
        (b"a\n1\n", "expected 2 columns, got 1"),
        (b"a,b,c\n1,2,3\n", "expected 2 columns, got 3"),
        (b"a,b\n1\n", "line 2: expected 2 cells, got 1"),
        (b"a,b\n1,2\n1,2,3\n", "line 3: expected 2 cells, got 3"),
        (b"a,b\n1,x\n", "line 2, column 'b': expected FP32, got 'x'"),
        (b"a,b\n1,\n", "got ''"),
        (b"a,b\n1,nan\n", "got 'nan'"),
        (b"a,b\n1,inf\n", "got 'inf'"),
        (b"a,b\n1,1_0\n", "got '1_0'"),
        (b"a,b\n1,1e39\n", "expected FP32, got '1e39'"),
        (b"a,b\n1,1e999\n", "got '1e999'"),
        ("a,b\n1,\u0663\n".encode(), "line 2, column 'b'"),
        (b"a,b\n1,\xff\n", "expected UTF-8"),
        (b'a,b\n1,"2\n', "cannot be read"),
        (b"a,b\n1,2\x00\n", "cannot be read|got '2"),
        (b"a,b\n1," + b"9" * 200_000, "cannot be read"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column(body: bytes, message: str) -> None:
    with pytest.raises(Invalid, match=message) as caught:
        csv_rows.parse(body, TABLE)
    assert len(caught.value.detail) < 300


def test_integers_have_to_be_whole_and_in_range() -> None:
    table = version([tensor("n", "INT8", [-1, 1])])
    assert csv_rows.parse(b"n\n-128\n1e2\n", table)[0]["n"].tolist() == [[-128], [100]]
    for cell in (b"1.5", b"128", b"1e30"):
        with pytest.raises(Invalid, match="expected INT8"):
            csv_rows.parse(b"n\n" + cell, table)


def test_a_model_that_takes_no_tables_says_what_it_takes() -> None:
    with pytest.raises(Invalid, match="takes no tables"):
        csv_rows.parse(b"a,b\n1,2\n", version([tensor("x", "FP32", [-1, 1, 2])]))
    with pytest.raises(Invalid, match="'x' is BYTES"):
        csv_rows.parse(b"a,b\n1,2\n", version([tensor("x", "BYTES", [-1, 2])]))


NAMED = version([tensor("input", "FP32", [-1, 2]) | {"columns": ["x1", "x2"]}])


def test_columns_are_found_by_their_names() -> None:
    for body in (b"x1,x2\n0.5,0.25\n", b" x2 ,x1\n0.25,0.5\n"):
        assert csv_rows.parse(body, NAMED)[0]["input"].tolist() == [[0.5, 0.25]]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"a,b", "expected the columns x1, x2, got missing 'x1'"),
        (b"x1", "got missing 'x2'"),
        (b"x1,x2,y", "got unknown 'y'"),
        (b"x1,x2,x1", "got repeated 'x1'"),
    ],
)
def test_a_table_of_other_columns_is_refused(header: bytes, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        csv_rows.parse(header + b"\n1,2\n", NAMED)
