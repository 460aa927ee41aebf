from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from models.signature import DATATYPES
from services.errors import Invalid
from services.serving import classification, v2_request, v2_response, wire
from services.serving.v2_request import InferRequest
from tests.services.serving.conftest import tensor, version

CLASSES = ["cat", "dog", "cow"]
SERVED = version(
    [tensor("x", "FP32", [-1, 1])],
    [tensor("y", "FP32", [-1, 3]), tensor("t", "BYTES", [-1])],
    classes=CLASSES,
)


def request(value: Any, *, output: str = "y", rows: int = 1, binary: bool = False) -> InferRequest:
    body = {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [rows, 1], "data": [0] * rows}],
        "outputs": [
            {"name": output, "parameters": {"classification": value, "binary_data": binary}}
        ],
    }
    return v2_request.parse(orjson.dumps(body), None, SERVED)


def test_the_largest_come_first_with_their_index_and_label() -> None:
    array = np.array([[0.25, 0.7, 0.05], [0.5, 0.0, 0.5]], np.float32)
    found = classification.top(array, 2, CLASSES)
    assert found.tolist() == [[b"0.7:1:dog", b"0.25:0:cat"], [b"0.5:0:cat", b"0.5:2:cow"]]


@pytest.mark.parametrize("datatype", DATATYPES)
def test_values_of_any_datatype_are_compared_as_they_are(datatype: str) -> None:
    array = np.array([[0, 1, 1]]).astype(DATATYPES[datatype])
    found = classification.top(array, 9, None)
    one, none = (b"1.0", b"0.0") if "FP" in datatype else (b"1", b"0")
    assert found.tolist() == [[one + b":1", one + b":2", none + b":0"]]


def test_extremes_and_nan_are_where_they_belong() -> None:
    array = np.array([[np.nan, -np.inf, np.inf]])
    assert [text.split(b":")[1] for text in classification.top(array, 1, CLASSES)[0]] == [b"2"]
    least = np.array([[np.iinfo(np.int64).min, 0]])
    assert classification.top(least, 1, None).tolist() == [[b"0:1"]]


def test_labels_are_those_of_as_many_values_and_rows_may_have_a_shape() -> None:
    array = np.arange(4.0).reshape(1, 2, 2)
    assert classification.top(array, 1, CLASSES).tolist() == [[b"3.0:3"]]
    assert classification.top(np.empty((0, 2, 2)), 3, None).shape == (0, 3)


def test_they_are_a_tensor_of_bytes_in_either_form() -> None:
    outputs = {"y": np.array([[0.25, 0.75, 0.0]], np.float32)}
    head = {"name": "y", "datatype": "BYTES", "shape": [1, 2]}
    body, _ = v2_response.encode(request(2), SERVED, "eager", outputs)
    data = ["0.75:1:dog", "0.25:0:cat"]
    assert orjson.loads(body)["outputs"] == [head | {"data": data}]
    body, length = v2_response.encode(request(2, binary=True), SERVED, "eager", outputs)
    size = len(body[length:])
    assert orjson.loads(body[:length])["outputs"] == [
        head | {"parameters": {"binary_data_size": size}}
    ]
    assert wire.elements(body[length:], "y", 2).tolist() == [text.encode() for text in data]


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        (-1, {}, "expected an integer from 0 for 'y', got -1"),
        ("3", {}, "expected an integer from 0 for 'y', got a string"),
        (True, {}, "expected an integer from 0 for 'y', got true or false"),
        (2, {"output": "t"}, "expected an output of numbers, got 't' of BYTES"),
        (40_000, {"rows": 2}, "expected at most 65536 of all rows, got 40000 of 2 rows"),
    ],
)
def test_what_cannot_be_classified_is_refused(
    value: Any, options: dict[str, Any], message: str
) -> None:
    assert request(0).outputs[0].classes == 0
    with pytest.raises(Invalid) as caught:
        request(value, **options)
    assert caught.value.detail == f"classification: {message}"
