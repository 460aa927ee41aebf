"""A request that is like one before reads as a whole parse reads it, whatever came before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import ServiceError
from services.serving import prediction, v2_request
from services.serving.versions import ServedVersion
from tests.services.serving.conftest import tensor, version

ROW = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1.5, -2]}
PLAIN = [b"1", b"0.5", b"-2e3", b"-0", b"0.1", b"1e-400", b"9007199254740993", b"3.4028235e38"]
ODD = [
    b"1e39",
    b"1e999",
    b"NaN",
    b"null",
    b"true",
    b'"1"',
    b"[1]",
    b"{}",
    b"01",
    b"1.",
    b"18446744073709551616",
]


def one_input(name: str = "x") -> ServedVersion:
    return version([tensor(name, "FP32", [-1, 2])])


def outcome(served: ServedVersion, body: bytes, length: bytes | None, *, plans: bool) -> Any:
    """What a request is read as, in a form that compares; an error is its words."""
    try:
        if plans:
            known, inputs = prediction.read(served, body, length)
            request = known.request
        else:
            request = v2_request.parse(body, length, served)
            inputs = request.inputs
        with np.errstate(over="raise"):  # as a batch makes the inputs the model's own
            own = {name: array.astype(served.dtypes[name]) for name, array in inputs.items()}
    except ServiceError as error:
        return str(error)
    except FloatingPointError:
        return "input 'x': expected FP32 values, got 1e+39"
    arrays = {name: (array.shape, array.tobytes()) for name, array in own.items()}
    return arrays, replace(request, inputs={}, layout=None)


def check(served: ServedVersion, bodies: Sequence[tuple[bytes, bytes | None]]) -> None:
    """All of `bodies`, one after the other, twice, so that each has been learned before."""
    for body, length in [*bodies, *bodies]:
        fresh = outcome(served, body, length, plans=False)
        assert outcome(served, body, length, plans=True) == fresh, body


@st.composite
def json_bodies(draw: st.DrawFn) -> bytes:
    space = draw(st.sampled_from([b"", b" "]))
    rows = draw(st.integers(0, 2))
    values = draw(st.lists(st.sampled_from(PLAIN), min_size=2 * rows, max_size=2 * rows))
    if draw(st.integers(0, 4)) == 0:
        values = draw(st.lists(st.sampled_from(PLAIN + ODD), max_size=5))
    flat = b",".join(values)
    data = draw(st.sampled_from([b"[" + flat + b"]", b"[[" + flat + b"]]", b"[[" + flat + b"]"]))
    name, datatype = (
        draw(st.sampled_from([b"x", b"data"])),
        draw(st.sampled_from([b"FP32"] * 3 + [b"FP64"])),
    )
    key = draw(st.sampled_from([b'"data":', b'"data" :', b'"d\\u0061ta":']))
    more = draw(
        st.sampled_from(
            [
                b"",
                b',"parameters":{"data":[1,2]}',
                b',"parameters":{"note":"\\"data\\":[9,9]"}',
                b',"parameters":{"note":"[]"}',
                b',"data":[3,4]',
            ]
        )
    )
    identity = draw(st.sampled_from([b"", b',"id":"a"', b',"id":"\\"data\\":["']))
    first, last = draw(st.sampled_from([(more, b""), (b"", more)]))
    head = b'"name":"%s","datatype":"%s","shape":[%d,2]' % (name, datatype, rows)
    fields = head + first + b"," + key + space + data + last
    return b'{"inputs":[{' + fields + b"}]" + identity + b"}"


@settings(max_examples=400, deadline=None)
@given(st.lists(json_bodies(), min_size=1, max_size=5), st.sampled_from(["x", "data"]))
def test_json_reads_as_it_does_when_it_is_parsed_as_a_whole(bodies: list[bytes], name: str) -> None:
    check(one_input(name), [(body, None) for body in bodies])


def around(data: bytes, rows: int = 2) -> bytes:
    return b'{"inputs":[{"name":"x","datatype":"FP32","shape":[%d,2],"data":%s}]}' % (rows, data)


FORMS = [b"[1,2,3,4]", b"[[1,2],[3,4]]", b"[ [1,2], [3,4] ]", b"[[1,2] ,[3,4]]", b"[[1],[2,3,4]]"]


@settings(max_examples=300, deadline=None)
@given(
    first=st.sampled_from(FORMS),
    depth=st.integers(0, 3),
    values=st.sampled_from([b"5,6,7,8", b"5,6", b""]),
    rest=st.integers(0, 16),
)
def test_lists_that_end_elsewhere_are_not_taken_for_those_before(
    first: bytes, depth: int, values: bytes, rest: int
) -> None:
    """What ends like a body before is not therefore a list, and then what ended that body."""
    second = b"[" * depth + values + b"]" * depth + first[len(first) - rest :]
    check(one_input(), [(around(first), None), (around(second), None)])


@pytest.mark.parametrize(
    ("first", "second", "rows"),
    [
        (b"[[1,2],[3,4]]", b"[[1,2,3,4]][3,4]]", 2),
        (b"[ [1,2], [3,4] ]", b"[1,2,3,4], [3,4] ]", 2),
        (b"[[1,2] ,[3,4]]", b"[[1,2,3,4]],[3,4]]", 2),
        (b"[1,2,3,4]", b"[[1,2,3,4]]", 2),
        (b"[1,2]", b"[[[1,2]]]", 1),
        (b"[]", b"[[]]", 0),
    ],
)
def test_what_a_whole_parse_refuses_is_refused_after_another_was_learned(
    first: bytes, second: bytes, rows: int
) -> None:
    served = one_input()
    prediction.read(served, around(first, rows), None)
    with pytest.raises(ServiceError):
        prediction.read(served, around(second, rows), None)


@pytest.mark.parametrize("data", [b"[7,8]", b"[[7,8]]"])
def test_flat_and_nested_rows_are_both_learned(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = one_input()
    for seen in (b"[1,2]", b"[[1,2]]"):
        prediction.read(served, around(seen, 1), None)
    monkeypatch.setattr(v2_request, "parse", None)
    assert prediction.read(served, around(data, 1), None)[1]["x"].tolist() == [[7, 8]]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(-2, 2), st.integers(-1, 1), st.booleans()),
        min_size=1,
        max_size=5,
    )
)
def test_raw_bytes_read_as_they_do_when_the_json_is_parsed(
    shapes: list[tuple[int, int, int, bool]],
) -> None:
    bodies: list[tuple[bytes, bytes | None]] = []
    for rows, extra, wrong, two in shapes:
        raw = np.arange(rows * 2, dtype=np.float32).tobytes()
        size = {"parameters": {"binary_data_size": len(raw)}}
        head: dict[str, Any] = {
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [rows, 2]} | size]
        }
        if two:
            head["outputs"] = [{"name": "y", "parameters": {"binary_data": True}}]
        text = orjson.dumps(head)
        tail = raw + b"0" * extra if extra > 0 else raw[: len(raw) + extra]
        bodies.append((text + tail, b"%d" % (len(text) + wrong)))
    check(one_input(), bodies)


def test_the_short_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    served = one_input()
    prediction.read(served, orjson.dumps({"inputs": [ROW]}), None)
    monkeypatch.setattr(v2_request, "parse", None)  # which nobody may need any more
    known, inputs = prediction.read(
        served, orjson.dumps({"inputs": [ROW | {"data": [7, 8]}]}), None
    )
    assert inputs["x"].tolist() == [[7, 8]]
    assert known.request.rows == 1


def test_the_memory_of_plans_is_bounded() -> None:
    served = one_input()
    for number in range(1000):
        body = orjson.dumps({"inputs": [ROW], "id": str(number)})
        assert prediction.read(served, body, None)[0].request.id == str(number)
    assert len(served.plans._known) <= 128
