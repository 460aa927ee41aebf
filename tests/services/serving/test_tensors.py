from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
import simdjson
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from models.signature import DATATYPES, TensorSpec
from services.errors import Invalid
from services.serving import tensors
from services.serving.misfits import MAX_SEEN


def read(
    data: Any, shape: tuple[int, ...], datatype: str = "FP32", *, free: bool = False
) -> NDArray[Any]:
    """`data` as it would come out of a request for a tensor of `shape`."""
    spec = TensorSpec("x", datatype, (-1, *([-1] * (len(shape) - 1) if free else shape[1:])))
    text = data if isinstance(data, bytes) else orjson.dumps(data)
    array = simdjson.Parser().parse(text)
    assert isinstance(array, simdjson.Array)
    tensors.check_shape(spec, shape)
    return tensors.from_json(array, spec, shape)


SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4)


@pytest.mark.parametrize("datatype", DATATYPES)
@given(data=st.data())
def test_any_array_comes_back_as_it_was_nested_or_flat(datatype: str, data: st.DataObject) -> None:
    dtype = DATATYPES[datatype]
    elements = {"elements": st.floats(-1e4, 1e4, width=16)} if dtype.kind == "f" else {}
    array = data.draw(hnp.arrays(dtype, SHAPES, **elements))
    for form in (array.tolist(), array.reshape(-1).tolist()):
        found = read(form, array.shape, datatype)
        assert found.dtype == dtype
        assert np.array_equal(found, array)


@pytest.mark.parametrize(
    "data",
    [
        [[1], [2, 3, 4]],
        [[1, 2], [3, [4]]],
        [[1, 2], 3, 4],
        [1, [2, 3], 4],
        [1, 2, 3, [4]],
        [[1, 2, 3, 4]],
        [[[1, 2], [3, 4]]],
        [[1, 2], [], [3, 4]],
        [[], [1, 2, 3, 4]],
    ],
)
def test_a_ragged_list_is_refused_even_where_its_count_is_right(data: Any) -> None:
    with pytest.raises(Invalid, match=r"ragged|expected 4 values"):
        read(data, (2, 2))


@pytest.mark.parametrize(
    ("datatype", "data", "got"),
    [
        ("FP32", b'["1", 2]', "got '1' at [0]"),
        ("FP32", b"[2, true]", "got true at [1]"),
        ("FP32", b"[[null], [2]]", "got null at [0, 0]"),
        ("FP32", b"[1, {}]", "got an object at [1]"),
        ("FP32", b"[1e39, 2]", "got 1e+39"),
        ("FP16", b"[70000, 2]", "got 70000"),
        ("INT64", b"[1.5, 2]", "got 1.5 at [0]"),
        ("INT64", b"[2, 9223372036854775808]", "got 9223372036854775808 at [1]"),
        ("INT8", b"[128, 2]", "-128 to 127, got 128"),
        ("INT8", b"[-129, 2]", "-128 to 127, got -129"),
        ("INT8", b'[1, "a"]', "-128 to 127, got 'a' at [1]"),
        ("UINT8", b"[-1, 2]", "0 to 255, got -1 at [0]"),
        ("UINT8", b"[256, 2]", "0 to 255, got 256"),
        ("UINT64", b"[-1, 2]", "0 to 18446744073709551615, got -1 at [0]"),
        ("BOOL", b"[true, 0]", "got 0 at [1]"),
        ("BOOL", b'["true", false]', "got 'true' at [0]"),
        ("BYTES", b'["a", 1]', "got 1 at [1]"),
    ],
)
def test_a_value_that_the_datatype_does_not_hold_is_refused(
    datatype: str, data: bytes, got: str
) -> None:
    with pytest.raises(Invalid) as caught:
        read(data, (2,), datatype)
    assert caught.value.code == "invalid_input"
    assert caught.value.errors[0].field == "inputs.x"
    assert f"expected {datatype} " in caught.value.detail
    assert caught.value.detail.endswith(got)


def test_the_largest_values_of_each_integer_type_are_kept() -> None:
    for datatype, dtype in DATATYPES.items():
        if dtype.kind in "iu":
            bounds = [int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)]
            assert read(bounds, (2,), datatype).tolist() == bounds


def test_no_rows_are_rows_too() -> None:
    assert read([], (0, 3)).shape == (0, 3)


@pytest.mark.parametrize("shape", [(2,), (1, 2, 3), (1, 3), (1, 0)])
def test_a_shape_that_does_not_fit_is_named_with_the_one_that_does(shape: tuple[int, ...]) -> None:
    spec = TensorSpec("x", "FP32", (-1, 2))
    with pytest.raises(Invalid) as caught:
        tensors.check_shape(spec, shape)
    assert "[-1, 2]" in caught.value.detail
    assert str(list(shape)) in caught.value.detail


def test_a_free_dimension_takes_any_size_but_none_and_absurd_ones() -> None:
    spec = TensorSpec("x", "INT64", (-1, -1))
    assert tensors.check_shape(spec, (2, 7)) == 14
    for shape in ((2, 0), (2, 2**31)):
        with pytest.raises(Invalid):
            tensors.check_shape(spec, shape)


def test_brackets_in_a_string_hide_nothing() -> None:
    """The caller's count is only a short cut: without it every array is looked at."""
    assert read([[1, 2], [3, 4]], (2, 2), free=True).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("data", [[0] * MAX_SEEN + ["a"], [[]] * MAX_SEEN + ["a"]])
def test_a_wrong_value_behind_very_many_is_refused_without_looking_for_it(data: Any) -> None:
    with pytest.raises(Invalid, match="got something that is no number"):
        read(data, (len(data),))


def test_a_long_string_among_numbers_is_cut() -> None:
    with pytest.raises(Invalid, match=r"got 'aaaa.*…' at \[1\]") as caught:
        read([1, "a" * 10_000], (2,))
    assert len(caught.value.detail) < 100


@pytest.mark.parametrize("depth", [2, 17, 1000])
def test_data_nested_deeper_than_any_tensor_are_refused(depth: int) -> None:
    with pytest.raises(Invalid, match="input 'x': expected FP32 values, got"):
        read(b"[" * depth + b'"a"' + b"]" * depth, (1,))
