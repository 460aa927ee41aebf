from __future__ import annotations

import json
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.signature import DATATYPES
from services.errors import Invalid, ServiceError
from services.serving import v2_request
from services.serving.errors import Unsupported
from services.serving.v2_request import InferRequest
from tests.services.serving.conftest import tensor, version

TWO = version([tensor("a", "FP32", [-1, 2]), tensor("b", "INT64", [-1])])
ONE = version()


def a(**changes: Any) -> dict[str, Any]:
    return {"name": "a", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, 4]} | changes


def b(**changes: Any) -> dict[str, Any]:
    return {"name": "b", "datatype": "INT64", "shape": [2], "data": [5, 6]} | changes


def parse(*inputs: Any, tail: bytes = b"", **fields: Any) -> InferRequest:
    body = orjson.dumps({"inputs": list(inputs), **fields})
    length = b"%d" % len(body) if tail else None
    return v2_request.parse(body + tail, length, TWO)


def test_json_tensors_become_arrays_of_the_models_datatypes() -> None:
    request = parse(a(data=[[1, 2], [3, 4]]), b(), id="mine", parameters={"backend": "eager"})
    assert request.inputs["a"].tolist() == [[1, 2], [3, 4]]
    assert request.inputs["a"].dtype == np.float32
    assert request.inputs["b"].tolist() == [5, 6]
    assert (request.rows, request.id, request.backend) == (2, "mine", "eager")
    assert [(one.name, one.binary) for one in request.outputs] == [("y", False)]


@pytest.mark.parametrize("datatype", DATATYPES)
def test_binary_tensors_are_the_bytes_as_they_are(datatype: str) -> None:
    array = np.arange(6).reshape(3, 2).astype(DATATYPES[datatype])
    served = version([tensor("x", datatype, [-1, 2])])
    raw = array.tobytes()
    head = orjson.dumps(
        {
            "inputs": [
                {
                    "name": "x",
                    "datatype": datatype,
                    "shape": [3, 2],
                    "parameters": {"binary_data_size": len(raw)},
                }
            ],
            "parameters": {"binary_data_output": True},
        }
    )
    request = v2_request.parse(head + raw, b"%d" % len(head), served)
    assert np.array_equal(request.inputs["x"], array)
    assert request.inputs["x"].dtype == array.dtype
    assert request.outputs[0].binary


def test_binary_and_json_tensors_mix_in_the_order_of_the_inputs() -> None:
    first = np.array([[1, 2], [3, 4]], np.float32).tobytes()
    second = np.array([5, 6], np.int64).tobytes()
    request = parse(
        b(data=None, parameters={"binary_data_size": 16}),
        a(data=None, parameters={"binary_data_size": 16}),
        tail=second + first,
    )
    assert request.inputs["a"].tolist() == [[1, 2], [3, 4]]
    assert request.inputs["b"].tolist() == [5, 6]
    mixed = parse(a(), b(data=None, parameters={"binary_data_size": 16}), tail=second)
    assert mixed.inputs["b"].tolist() == [5, 6]


def test_zero_rows_are_a_request() -> None:
    request = parse(a(shape=[0, 2], data=[]), b(shape=[0], data=[]))
    assert request.rows == 0
    assert request.inputs["a"].shape == (0, 2)


def test_brackets_in_names_do_not_confuse_the_count_that_finds_ragged_lists() -> None:
    assert parse(a(), b(), id="[[[").id == "[[["
    with pytest.raises(Invalid, match="ragged"):
        parse(a(data=[[1], [2, 3, 4]]), b(), id="[")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([a()], "'b': expected in the request, got none"),
        ([a(), a()], "'a': expected once, got it twice"),
        ([a(), b(name="c")], "expected inputs a, b, got 'c'"),
        ([a(), {"shape": [1]}], "got nothing"),
        ([a(), 7], "expected inputs that are tensors, got a number"),
        ([a(datatype="FP64"), b()], "'a': expected datatype FP32, got 'FP64'"),
        ([a(datatype=None), b()], "expected datatype FP32, got nothing"),
        ([a(shape=[4, 1]), b()], "'a': expected shape [-1, 2], got [4, 1]"),
        ([a(shape=[2, 2, 1]), b()], "expected shape [-1, 2], got [2, 2, 1]"),
        ([a(shape=[-1, 2]), b()], "expected integers from 0 in its shape, got -1"),
        ([a(shape=[2.0, 2]), b()], "expected integers from 0 in its shape, got a number"),
        ([a(shape=[True, 2]), b()], "got true or false"),
        ([a(shape=[1] * 1000), b()], "got 1000 dimensions"),
        ([a(shape="2,2"), b()], "expected shape [-1, 2], got a string"),
        ([a(shape=[]), b()], "expected shape [-1, 2], got []"),
        ([a(shape=[2**40, 2]), b()], "expected dimensions up to"),
        ([a(data=[1, 2, 3]), b()], "expected 4 values for shape [2, 2], got 3"),
        ([a(data="1234"), b()], "expected data as a list, or binary_data_size, got a string"),
        ([a(data=None), b()], "got nothing"),
        ([a(data={"0": 1}), b()], "got an object"),
        ([a(), b(shape=[3], data=[1, 2, 3])], "'b': expected 2 rows as in 'a', got 3"),
        ([a(parameters=[]), b()], "expected an object in input 'a', got a list"),
        ([a(parameters={"binary_data_size": 16}), b()], "expected data or binary_data_size"),
        ([a(data=None, parameters={"binary_data_size": -1}), b()], "as an integer from 0"),
        ([a(data=None, parameters={"binary_data_size": 1.5}), b()], "as an integer from 0"),
        ([a(data=None, parameters={"binary_data_size": 8}), b()], "expected 16 bytes"),
        ([a(data=None, parameters={"binary_data_size": 16}), b()], "behind the JSON, got 0"),
    ],
)
def test_an_error_names_the_tensor_the_expected_and_the_got(
    inputs: list[Any], message: str
) -> None:
    with pytest.raises(Invalid) as caught:
        parse(*inputs)
    assert message in caught.value.detail


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"outputs": [{"name": "z"}]}, "expected outputs y, got 'z'"),
        ({"outputs": [{}]}, "expected outputs y, got nothing"),
        ({"outputs": ["y"]}, "expected outputs that are objects, got a string"),
        ({"outputs": {"name": "y"}}, "expected a list, got an object"),
        ({"outputs": [{"name": "y"}, {"name": "y"}]}, "expected each output once"),
        ({"outputs": [{"name": "y", "parameters": 1}]}, "expected an object in output 'y'"),
        ({"outputs": [{"name": "y", "parameters": {"binary_data": 1}}]}, "expected true or false"),
        ({"parameters": {"binary_data_output": "yes"}}, "expected true or false, got a string"),
        ({"parameters": {"backend": 1}}, "expected a string, got a number"),
        ({"parameters": []}, "expected an object in the request"),
        ({"id": 1}, "id: expected a string, got a number"),
    ],
)
def test_wrong_fields_of_a_request_are_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(a(), b(), **fields)
    assert message in caught.value.detail


def test_shared_memory_is_not_supported_and_says_so() -> None:
    with pytest.raises(Unsupported, match="not supported"):
        parse(a(), b(), outputs=[{"name": "y", "parameters": {"shared_memory_region": "r"}}])
    with pytest.raises(Unsupported, match="shared memory"):
        parse(a(data=None, parameters={"shared_memory_region": "r"}), b())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"NaN",
        b'{"inputs": NaN}',
        b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1e999, 1]}]}',
        b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [NaN, 1]}]}',
        b'{"inputs": [{"name": "\\ud800"}]}',
        b'{"inputs": [{"name": "\xff"}]}',
        b'{"inputs": [{"name": "x", "shape": [99999999999999999999999, 2]}]}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"inputs": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"inputs": {}}',
        b'{"inputs": []}',
        b"{}",
        b'{"a\\u0000b": 1, "inputs": []}',
        json.dumps({f"k{number}": number for number in range(100_000)}).encode(),
    ],
)
def test_what_is_no_request_is_invalid_and_the_parser_lives_on(body: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        v2_request.parse(body, None, ONE)
    assert len(caught.value.detail) < 300
    good = orjson.dumps(
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]}
    )
    assert v2_request.parse(good, None, ONE).rows == 1


@pytest.mark.parametrize("length", [b"-1", b"x", b"", b"999", b"1.5", b"9" * 5000, b"\xb2"])
def test_a_header_length_that_the_body_has_not_is_refused(length: bytes) -> None:
    with pytest.raises(Invalid, match="Inference-Header-Content-Length"):
        v2_request.parse(b"{}", length, ONE)


def test_bytes_that_no_tensor_claims_are_refused() -> None:
    with pytest.raises(Invalid, match="expected 0 bytes of tensors behind the JSON, got 3"):
        parse(a(), b(), tail=b"abc")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)
TENSORS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("x") | JSON,
        "datatype": st.just("FP32") | JSON,
        "shape": st.just([1, 2]) | JSON,
        "data": st.just([1, 2]) | JSON,
        "parameters": JSON,
    },
)


@given(
    inputs=st.lists(TENSORS, max_size=3) | JSON,
    rest=st.dictionaries(st.sampled_from(["id", "outputs", "parameters"]), JSON),
    tail=st.binary(max_size=20),
    length=st.none() | st.integers(-5, 400),
)
def test_no_input_does_anything_but_parse_or_be_refused(
    inputs: Any, rest: dict[str, Any], tail: bytes, length: int | None
) -> None:
    body = json.dumps({"inputs": inputs, **rest}).encode() + tail
    try:
        request = v2_request.parse(body, None if length is None else b"%d" % length, ONE)
    except ServiceError:
        return
    assert request.inputs["x"].shape[1:] == (2,)
