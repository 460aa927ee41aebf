from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from services.errors import Invalid
from services.serving import rows
from tests.services.serving.conftest import tensor, version

IMAGE = version([tensor("pixels", "FP32", [-1, 1, 2, 2])])
PAIR = version([tensor("ids", "INT64", [-1, -1]), tensor("length", "INT64", [-1])])


def test_rows_are_nested_as_the_input_is() -> None:
    arrays, count = rows.parse(b'{"inputs": [[[[1, 2], [3, 4]]], [[[5, 6], [7, 8]]]]}', IMAGE)
    assert count == 2
    assert arrays["pixels"].dtype == np.float32
    assert arrays["pixels"].tolist() == [[[[1, 2], [3, 4]]], [[[5, 6], [7, 8]]]]


def test_several_inputs_are_objects_by_name() -> None:
    body = orjson.dumps({"inputs": [{"ids": [1, 2], "length": 2}, {"length": 1, "ids": [3, 0]}]})
    arrays, count = rows.parse(body, PAIR)
    assert count == 2
    assert arrays["ids"].tolist() == [[1, 2], [3, 0]]
    assert arrays["length"].tolist() == [2, 1]


def test_text_is_strings() -> None:
    text = version([tensor("words", "BYTES", [-1, 2])])
    arrays, count = rows.parse(orjson.dumps({"inputs": [["[a", "\u00e9"], ["", "d"]]}), text)
    assert count == 2
    assert arrays["words"].tolist() == [[b"[a", "\u00e9".encode()], [b"", b"d"]]
    assert rows.parse(b'{"inputs": []}', text)[0]["words"].shape == (0, 2)
    for wrong in ([["a"]], [["a", 1]], [["a", "b"], ["c"]], ["ab"], [["a", None]]):
        with pytest.raises(Invalid, match="words"):
            rows.parse(orjson.dumps({"inputs": wrong}), text)


def test_no_rows_are_fine() -> None:
    arrays, count = rows.parse(b'{"inputs": []}', IMAGE)
    assert count == 0
    assert arrays["pixels"].shape == (0, 1, 2, 2)
    assert rows.parse(b'{"inputs": []}', PAIR)[0]["ids"].shape == (0, 1)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([[1, 2, 3, 4]], "expected shape [-1, 1, 2, 2], got [1, 4]"),
        ([[[[1, 2], [3]]]], "expected 4 values"),
        ([[[[1, 2], [3, 4, 5]]]], "expected 4 values"),
        ([[[[1], [2, 3, 4]]]], "got [1, 1, 2, 1]"),
        ([[[[1, 2], [3, 4]]], [[[5, 6, 7, 8]]]], "ragged"),
        ([[[[1, 2], [3, "4"]]]], "got '4' at [0, 0, 1, 1]"),
        ([[[[1, 2], [3, True]]]], "got true at [0, 0, 1, 1]"),
        ([[[[1, 2], [3, None]]]], "got null at [0, 0, 1, 1]"),
        ([[]], "got [1, 0]"),
        ([7], "got [1]"),
        (["a"], "got [1]"),
        ([{}], "got [1]"),
        (7, "expected a list of rows, got a number"),
        ({"pixels": []}, "expected a list of rows, got an object"),
        (None, "expected a list of rows, got nothing"),
    ],
)
def test_wrong_rows_are_refused_with_the_shape_that_is_expected(inputs: Any, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        rows.parse(orjson.dumps({"inputs": inputs}), IMAGE)
    assert message in caught.value.detail


def test_deep_nesting_is_refused_in_a_short_message() -> None:
    with pytest.raises(Invalid) as caught:
        rows.parse(b'{"inputs": ' + b"[" * 900 + b"1" + b"]" * 900 + b"}", IMAGE)
    assert len(caught.value.detail) < 200


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1], "inputs.0: expected an object with ids, length, got a list"),
        ({"ids": [1]}, "inputs.0: expected ids, length, got ids"),
        ({"ids": [1], "length": 1, "more": 1}, "got ids, length, more"),
        ({"ids": 1, "length": 1}, "input 'ids'"),
        ({"ids": [1.5], "length": 1}, "input 'ids'"),
    ],
)
def test_a_wrong_row_of_several_inputs_is_named(row: Any, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        rows.parse(orjson.dumps({"inputs": [row]}), PAIR)
    assert message in caught.value.detail


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(Invalid) as caught:
        rows.parse(b'{"inputs": [], "backend": "eager"}', IMAGE)
    assert caught.value.errors[0].field == "backend"
