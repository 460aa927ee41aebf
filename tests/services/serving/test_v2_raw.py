from __future__ import annotations

import numpy as np
import pytest

from models.signature import DATATYPES
from services.errors import Invalid
from services.serving import v2_request
from services.serving.v2_request import InferRequest
from tests.services.serving.conftest import tensor, version


def parse(body: bytes, datatype: str, *shape: int) -> InferRequest:
    return v2_request.parse(body, b"0", version([tensor("x", datatype, shape)]))


@pytest.mark.parametrize("datatype", DATATYPES)
def test_the_body_is_as_many_rows_as_it_has_bytes_for(datatype: str) -> None:
    array = np.arange(6).reshape(3, 2).astype(DATATYPES[datatype])
    request = parse(array.tobytes(), datatype, -1, 2)
    assert np.array_equal(request.inputs["x"], array)
    assert (request.rows, request.layout) == (3, None)
    assert [(one.name, one.binary) for one in request.outputs] == [("y", True)]
    with pytest.raises(Invalid, match=r"'x': expected a multiple of .* got"):
        parse(array.tobytes()[:-1], datatype, -1, 2)


def test_a_row_that_varies_in_one_dimension_is_alone() -> None:
    assert parse(bytes(24), "FP32", -1, -1, 2).inputs["x"].shape == (1, 3, 2)
    with pytest.raises(Invalid, match="at least 1 in each dimension after the first"):
        parse(b"", "FP32", -1, -1, 2)
    with pytest.raises(Invalid, match="leaves 2 dimensions of a row open"):
        parse(bytes(24), "FP32", -1, -1, -1)


def test_no_bytes_are_no_rows() -> None:
    assert parse(b"", "FP32", -1, 2).inputs["x"].shape == (0, 2)


def test_text_is_one_element() -> None:
    assert parse(b"one text", "BYTES", -1, 1).inputs["x"].tolist() == [[b"one text"]]
    assert parse(b"", "BYTES", -1).inputs["x"].tolist() == [b""]
    with pytest.raises(Invalid, match=r"'x': expected shape \[-1, 2\], got \[1, 1\]"):
        parse(b"one text", "BYTES", -1, 2)
    with pytest.raises(Invalid, match="'x': expected BYTES in UTF-8"):
        parse(b"\xff", "BYTES", -1)


def test_a_model_with_two_inputs_needs_a_json() -> None:
    two = version([tensor("a", "FP32", [-1]), tensor("b", "FP32", [-1])])
    with pytest.raises(Invalid, match="expected the length of a JSON with the inputs a, b, got 0"):
        v2_request.parse(bytes(8), b"0", two)
