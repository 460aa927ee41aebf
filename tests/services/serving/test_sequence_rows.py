"""JSON rows of a model of sequences: of different lengths in one request."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from models.rows import effort
from services.errors import Invalid
from services.serving import rows, tensors
from tests.services.serving.conftest import tensor, version

WAVES = version([tensor("input", "FP32", [-1, -1, 2]), tensor("lengths", "INT64", [-1])])


def parse(*inputs: Any) -> tuple[Any, int]:
    return rows.parse(orjson.dumps({"inputs": list(inputs)}), WAVES)


def test_rows_are_padded_to_the_longest() -> None:
    arrays, count = parse({"input": [[1, 2], [3, 4], [5, 6]]}, {"input": [[7, 8]]})
    assert count == 2
    assert arrays["input"].dtype == np.float32
    assert arrays["input"].tolist() == [[[1, 2], [3, 4], [5, 6]], [[7, 8], [0, 0], [0, 0]]]
    assert arrays["lengths"].dtype == np.int64
    assert arrays["lengths"].tolist() == [3, 1]


def test_a_row_may_be_its_steps_alone_or_say_how_many_count() -> None:
    arrays, _ = parse([[1, 2], [3, 4]], {"lengths": 1, "input": [[5, 6], [0, 0]]})
    assert arrays["input"].tolist() == [[[1, 2], [3, 4]], [[5, 6], [0, 0]]]
    assert arrays["lengths"].tolist() == [2, 1]


def test_no_rows_are_fine() -> None:
    arrays, count = parse()
    assert (count, arrays["input"].shape, arrays["lengths"].shape) == (0, (0, 1, 2), (0,))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([], "input '1.input': expected at least 1 step, got none"),
        ([1, 2], "input '1.input': expected shape [-1, 2], got [2]"),
        ([[1, 2, 3]], "input '1.input': expected shape [-1, 2], got [1, 3]"),
        ([[1, 2], [3]], "input '1.input': expected 4 values for shape [2, 2], got 3"),
        ([[1, "2"]], "input '1.input': expected FP32 values, got '2' at [0, 1]"),
        ([[1, 1e39]], "input '1.input': expected FP32 values, got 1e+39"),
        (7, "inputs.1: expected a list of steps, or an object with input, got a number"),
        ({}, "inputs.1: expected input, and lengths if not all steps count, got none"),
        ({"lengths": 1}, "got lengths"),
        ({"input": [[1, 2]], "more": 1}, "got input, more"),
        ({"input": 7}, "input '1.input': expected shape [-1, 2], got []"),
        ({"input": [[1, 2]], "lengths": 0}, "inputs.1.lengths: expected 1 to 1, the steps of"),
        ({"input": [[1, 2]], "lengths": 2}, "got 2"),
        ({"input": [[1, 2]], "lengths": True}, "got true or false"),
        ({"input": [[1, 2]], "lengths": 1.0}, "got a number"),
        ({"input": [[1, 2]], "lengths": [1]}, "got a list"),
    ],
)
def test_a_wrong_row_is_named(row: Any, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse([[1, 2]], row)
    assert message in caught.value.detail
    assert caught.value.errors[0].field.startswith("inputs.1")


def test_padding_and_attention_of_more_than_memory_holds_are_refused() -> None:
    """Two kilobytes of short rows beside a long one would else become a gigabyte."""
    with pytest.raises(Invalid, match="input 'input': expected at most 256 steps of 1024 rows"):
        parse([[0, 0]] * 257, *[[[0, 0]]] * 1023)
    spec = WAVES.signature.inputs[0]
    assert tensors.check_shape(spec, (1024, 256, 2)) == 1024 * 256 * 2
    with pytest.raises(Invalid, match="expected at most 8192 steps of 1 rows, got 8193"):
        tensors.check_shape(spec, (1, 8193, 2))


def test_long_sequences_count_as_many_rows() -> None:
    """So that a model which is fast on short ones does not hold up the event loop."""
    assert effort(parse([[0, 0]] * 64, [[0, 0]])[0], 2) == 32
    assert effort(parse([[0, 0]])[0], 1) == 1
    assert effort(parse()[0], 0) == 0
