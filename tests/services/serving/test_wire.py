from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.signature import DATATYPES, TensorSpec
from services.errors import Invalid
from services.serving import texts, wire

HALVES = np.arange(1 << 16, dtype=np.uint16)
"""Every bit pattern of sixteen bits."""


def read(raw: bytes, datatype: str, count: int, own: str | None = None) -> np.ndarray[Any, Any]:
    spec = TensorSpec("x", own or datatype, (-1,))
    wire.check_size("x", datatype, (count,), count, len(raw))
    return wire.read(b"abc" + raw, 3, len(raw), spec=spec, datatype=datatype, count=count)


def test_halves_are_widened_without_a_change() -> None:
    for datatype, kind in (("BF16", ml_dtypes.bfloat16), ("FP16", np.float16)):
        found = read(HALVES.tobytes(), datatype, HALVES.size, own="FP32")
        assert found.dtype == np.float32
        expected = HALVES.view(kind).astype(np.float32)
        assert np.array_equal(found, expected, equal_nan=True)


def test_any_byte_but_zero_is_true() -> None:
    assert read(bytes([0, 1, 2, 255]), "BOOL", 4).tolist() == [False, True, True, True]


@given(st.lists(st.text(max_size=9)))
def test_bytes_come_back_as_they_were_written(values: list[str]) -> None:
    array = texts.array_of([value.encode() for value in values], (len(values),))
    raw = wire.write(array, "BYTES")
    assert read(raw, "BYTES", len(values)).tolist() == array.tolist()


@pytest.mark.parametrize(
    ("raw", "count", "message"),
    [
        (b"", 1, "expected at least 4 bytes for shape [1] of BYTES, got 0"),
        (b"\x01\0\0\0", 1, "expected 1 elements of BYTES in 4 bytes, got their end in element 0"),
        (b"\0\0\0\0\xff\xff\xff\xff", 2, "got their end in element 1"),
        (b"\4\0\0\0abcd", 2, "got their end in element 1"),
        (b"\1\0\0\0ab", 1, "expected 1 elements of BYTES, got 1 bytes behind the last"),
        (b"\1\0\0\0a", 0, "expected 0 elements of BYTES, got 5 bytes behind the last"),
        (b"\1\0\0\0\xff", 1, "expected BYTES in UTF-8, got other bytes in element 0"),
    ],
)
def test_what_is_not_so_many_elements_is_refused(raw: bytes, count: int, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(raw, "BYTES", count)
    assert caught.value.detail.startswith("input 'x': ")
    assert message in caught.value.detail


def test_more_elements_than_python_should_make_are_refused_unread() -> None:
    count = texts.MAX_ELEMENTS + 1
    with pytest.raises(Invalid, match="expected at most 131072 elements"):
        wire.check_size("x", "BYTES", (count,), count, 4 * count)


@pytest.mark.parametrize("datatype", [*DATATYPES, "BF16"])
def test_a_size_that_is_not_that_of_the_shape_is_named_with_the_one_that_is(datatype: str) -> None:
    size = 6 * wire.ITEM_BYTES[datatype]
    for wrong in (0, size - 1, size + 1):
        with pytest.raises(Invalid) as caught:
            wire.check_size("x", datatype, (3, 2), 6, wrong)
        expected = f"expected {size} bytes for shape [3, 2] of {datatype}, got {wrong}"
        assert caught.value.detail == f"input 'x': {expected}"


def test_halves_stand_for_nothing_but_single_precision() -> None:
    for own in (*DATATYPES, "BYTES"):
        spec = TensorSpec("x", own, (-1,))
        for half in wire.HALVES:
            assert wire.takes(spec, half) == (own in {"FP32", half})
