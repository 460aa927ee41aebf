"""Bad requests of every datatype: each error names the tensor, what was expected and what came."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from models.signature import BYTES, DATATYPES
from services.errors import Invalid
from services.serving import texts, v2_request, wire
from services.serving.v2_request import InferRequest
from services.serving.versions import ServedVersion
from tests.services.serving.conftest import tensor, version

NATIVE = [*DATATYPES, BYTES]
HALVES = ["FP16 for FP32", "BF16 for FP32"]
"""As they come, for what the model takes."""
COMING = [*NATIVE, *HALVES]


def model(coming: str) -> ServedVersion:
    own = coming.rpartition(" ")[2]
    return version([tensor("x", own, [-1, 2]), tensor("z", own, [-1])])


def values(datatype: str, count: int) -> bytes:
    """Raw ones, or `1` as BYTES."""
    if datatype == BYTES:
        return wire.write(texts.array_of([b"1"] * count, (count,)), BYTES)
    if datatype == "BF16":
        return b"\x80\x3f" * count
    return np.ones(count, DATATYPES[datatype]).tobytes()


def parse(coming: str, **changes: Any) -> InferRequest:
    """Three rows of `x` and of `z` as raw bytes; `changes` are of what is said of `x`."""
    datatype = coming.partition(" ")[0]
    raw = changes.pop("raw", values(datatype, 6))
    inputs = changes.pop("inputs", ["x", "z"])
    header_length = changes.pop("header_length", None)
    tail, other = raw, values(datatype, 3)
    described: dict[str, Any] = {
        "x": {
            "name": "x",
            "datatype": datatype,
            "shape": [3, 2],
            "parameters": {"binary_data_size": len(raw)},
        }
        | changes,
        "z": {
            "name": "z",
            "datatype": datatype,
            "shape": [3],
            "parameters": {"binary_data_size": len(other)},
        },
    }
    if "z" in inputs:
        tail += other
    head = orjson.dumps({"inputs": [described.get(name, {"name": name}) for name in inputs]})
    length = header_length if header_length is not None else b"%d" % len(head)
    return v2_request.parse(head + tail, length, model(coming))


@pytest.mark.parametrize("coming", COMING)
def test_a_right_request_is_read_and_placed_if_its_bytes_are_the_models(coming: str) -> None:
    request = parse(coming)
    assert request.rows == 3
    own = coming.rpartition(" ")[2]
    expected = [[b"1", b"1"]] * 3 if own == BYTES else [[1, 1]] * 3
    assert request.inputs["x"].tolist() == expected
    assert request.inputs["x"].dtype == (object if own == BYTES else DATATYPES[own])
    if coming in {"BOOL", BYTES, *HALVES}:
        assert request.layout is None
    else:
        size = DATATYPES[own].itemsize
        assert request.layout is not None
        placed = [(one.spec.name, one.shape, one.offset, one.nbytes) for one in request.layout]
        assert placed == [("x", (3, 2), 0, 6 * size), ("z", (3,), 6 * size, 3 * size)]


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "shape": ({"shape": [2, 3]}, "input 'x': expected shape [-1, 2], got [2, 3]"),
    "rank": ({"shape": [6]}, "input 'x': expected shape [-1, 2], got [6]"),
    "no shape": ({"shape": None}, "input 'x': expected shape [-1, 2], got nothing"),
    "other datatype": ({"datatype": "INT4"}, "input 'x': expected datatype {own}, got 'INT4'"),
    "no datatype": ({"datatype": 7}, "input 'x': expected datatype {own}, got a number"),
    "unknown input": ({"inputs": ["x", "y"]}, "inputs: expected inputs x, z, got 'y'"),
    "missing input": ({"inputs": ["x"]}, "input 'z': expected in the request, got none"),
    "input twice": ({"inputs": ["x", "x"]}, "input 'x': expected once, got it twice"),
    "rows": ({"shape": [2, 2]}, "input 'z': expected 2 rows as in 'x', got 3"),
    "header": ({"header_length": b"9999"}, "Inference-Header-Content-Length: expected 0 to "),
    "size": ({"parameters": {"binary_data_size": 1}}, "input 'x': expected "),
    "no data": ({"parameters": {}}, "input 'x': expected data as a list, or binary_data_size"),
    "json": ({"parameters": {}, "data": [[], []]}, "input 'x': expected "),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("coming", COMING)
def test_a_wrong_request_is_told_what_is_wrong(coming: str, case: str) -> None:
    changes, message = CASES[case]
    with pytest.raises(Invalid) as caught:
        parse(coming, **changes)
    assert caught.value.detail.startswith(message.format(own=coming.rpartition(" ")[2]))
    assert "got" in caught.value.detail


@pytest.mark.parametrize("coming", COMING)
def test_a_body_that_ends_in_a_tensor_is_told_which(coming: str) -> None:
    datatype = coming.partition(" ")[0]
    size = len(values(datatype, 6))
    with pytest.raises(Invalid) as caught:
        parse(coming, inputs=["z", "x"], raw=b"", parameters={"binary_data_size": size})
    left = 0
    assert caught.value.detail == f"input 'x': expected {size} bytes behind the JSON, got {left}"


@pytest.mark.parametrize("datatype", NATIVE)
def test_no_datatype_stands_for_another(datatype: str) -> None:
    """But for the halves, and pictures."""
    for own in NATIVE:
        coming = f"{datatype} for {own}"
        if own == datatype or coming in HALVES:
            continue
        with pytest.raises(Invalid, match=f"'x': expected datatype {own}, got '{datatype}'"):
            parse(coming)


@pytest.mark.parametrize("coming", HALVES)
def test_halves_have_no_json(coming: str) -> None:
    datatype = coming.partition(" ")[0]
    with pytest.raises(Invalid, match=f"'x': expected {datatype} as binary data, or FP32"):
        parse(coming, parameters={}, raw=b"", data=[1] * 6)


@pytest.mark.parametrize("datatype", NATIVE)
def test_values_of_another_kind_are_refused_in_json(datatype: str) -> None:
    kinds: dict[str, Any] = {"text": "a", "null": None, "object": {}, "fraction": 0.5, "bool": True}
    fine = {BYTES: "text", "BOOL": "bool"}.get(datatype, "fraction" if "FP" in datatype else "")
    for kind, value in kinds.items():
        changes = {"parameters": {}, "raw": b"", "data": [value] * 6}
        if kind == fine:
            assert parse(datatype, **changes).rows == 3
        else:
            with pytest.raises(Invalid, match=f"'x': expected {datatype}"):
                parse(datatype, **changes)


@pytest.mark.parametrize("data", [["a"] * 6, [["a", "a"]] * 3], ids=["flat", "nested"])
def test_bytes_in_json_are_strings_flat_or_nested(data: list[Any]) -> None:
    request = parse(BYTES, parameters={}, raw=b"", data=data)
    assert request.inputs["x"].tolist() == [[b"a", b"a"]] * 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([["["], ["a"] * 2, ["a"] * 3], "got a ragged list"),
        ([["a", "a"]] * 2, "got a ragged list"),
        ([["a", ["a"]]] * 3, "expected BYTES as strings, got a list"),
        (["a"] * 5, "expected 6 values for shape [3, 2], got 5"),
        (["a", ["a"] * 5], "expected 6 values for shape [3, 2], got 2"),
    ],
)
def test_bytes_in_json_that_do_not_fit_are_refused(data: list[Any], message: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(BYTES, parameters={}, raw=b"", data=data)
    assert caught.value.detail.startswith("input 'x': ")
    assert message in caught.value.detail


@pytest.mark.parametrize(
    ("timeout", "message"),
    [
        (-1, "got -1"),
        (1.5, "got a number"),
        ("1000", "got a string"),
        (True, "got true or false"),
        (None, "got nothing"),
        ([], "got a list"),
    ],
)
def test_a_timeout_is_an_integer_of_microseconds(timeout: Any, message: str) -> None:
    row = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}
    one = version()

    def timed(value: Any) -> int | None:
        body = orjson.dumps({"inputs": [row], "parameters": {"timeout": value}})
        return v2_request.parse(body, None, one).timeout_us

    assert (timed(0), timed(1500), timed(2**63)) == (None, 1500, 2**63)
    with pytest.raises(Invalid) as caught:
        timed(timeout)
    expected = "timeout: expected an integer from 0, in microseconds, "
    assert caught.value.detail == expected + message
