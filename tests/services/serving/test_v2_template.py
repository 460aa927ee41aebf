"""An answer like one before is written as a whole encoding writes it, whatever came before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.signature import BYTES, DATATYPES
from services.errors import ServiceError
from services.serving import v2_response
from services.serving.v2_request import InferRequest, WantedOutput
from services.serving.v2_template import MAX_SHAPES, Template
from tests.services.serving.conftest import tensor, version

NAMES = ["y", 'a"b', '"data":[', "dätä", "}]}"]


def written(encode: Any, *args: Any) -> Any:
    try:
        return encode(*args)
    except ServiceError as error:
        return str(error)


@settings(max_examples=250, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    datatype=st.sampled_from([*DATATYPES, BYTES]),
    outputs=st.integers(1, 2),
    binary=st.booleans(),
    identity=st.sampled_from([None, "mine", '"data":']),
    answers=st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 2), st.sampled_from([0, 7, np.nan])),
        min_size=1,
        max_size=5,
    ),
)
def test_any_answers_in_any_order(
    name: str,
    datatype: str,
    outputs: int,
    binary: bool,
    identity: str | None,
    answers: list[tuple[int, int, float]],
) -> None:
    names = [name, "second"][:outputs]
    served = version(outputs=[tensor(each, datatype, [-1, -1]) for each in names])
    wanted = [WantedOutput(each, binary) for each in names]
    request = InferRequest({}, 1, wanted, id=identity)
    template = Template(request, served, "eager")
    for rows, width, value in answers:
        arrays = {each: filled((rows, width), datatype, value) for each in names}
        expected = written(v2_response.encode, request, served, "eager", arrays)
        assert written(template.encode, arrays) == expected


def filled(shape: tuple[int, int], datatype: str, value: float) -> NDArray[Any]:
    """Every second column of a wider array, as a model may answer."""
    if datatype == BYTES:
        array: NDArray[Any] = np.full((shape[0], 2 * shape[1]), b'"data":', object)
    else:
        number = value if DATATYPES[datatype].kind == "f" else np.nan_to_num(value)
        array = np.full((shape[0], 2 * shape[1]), number, DATATYPES[datatype])
    return array[:, ::2]


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    datatype=st.sampled_from([*DATATYPES, BYTES]),
    binary=st.booleans(),
    count=st.integers(2, 4),
    shape=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    odd=st.sampled_from([0, 7, np.nan]),
)
def test_answers_that_are_written_together_are_as_each_by_itself(
    name: str, datatype: str, binary: bool, count: int, shape: tuple[int, int], odd: float
) -> None:
    served = version(outputs=[tensor(name, datatype, [-1, -1])])
    template = Template(InferRequest({}, 1, [WantedOutput(name, binary)]), served, "eager")
    each = [filled(shape, datatype, odd if place == 1 else place) for place in range(count)]
    alike = template.encode_all({name: np.concatenate(each)}, count)
    if alike is None:
        nan = np.isnan(odd) and DATATYPES.get(datatype, np.dtype(object)).kind == "f"
        assert 0 in shape or datatype == BYTES or (nan and not binary)
        return
    together = [(alike.opening + own + alike.closing, alike.head_length) for own in alike.values]
    assert together == [template.encode({name: array}) for array in each]


def test_what_was_written_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    template = Template(InferRequest({}, 1, [WantedOutput("y", False)]), version(), "eager")
    first, _ = template.encode({"y": np.array([[1, 2]], np.float32)})
    monkeypatch.setattr(v2_response, "encode", None)
    again, _ = template.encode({"y": np.array([[3, 4]], np.float32)})
    assert again == first.replace(b"[1.0,2.0]", b"[3.0,4.0]")


def test_the_memory_of_shapes_is_bounded() -> None:
    template = Template(InferRequest({}, 1, [WantedOutput("y", False)]), version(), "eager")
    for rows in range(3 * MAX_SHAPES):
        template.encode({"y": np.zeros((rows, 2), np.float32)})
    assert len(template._heads) <= MAX_SHAPES
