"""Numbers that go straight into a model's memory arrive as those that are made arrays of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.signature import BYTES, DATATYPES
from services.serving.direct import Direct

NUMBERS = sorted(set(DATATYPES) - {BYTES})
WIDE = np.dtype(np.float64)


class Echo:
    """Memory whose output is the input."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.inputs: NDArray[Any] = np.zeros(shape, dtype)
        self.outputs: dict[str, NDArray[Any]] = {"y": np.zeros(shape, dtype)}

    def compute(self) -> None:
        self.outputs["y"][...] = self.inputs


@given(datatype=st.sampled_from(NUMBERS), data=st.data())
def test_raw_bytes_arrive_as_they_are(datatype: str, data: st.DataObject) -> None:
    dtype = DATATYPES[datatype]
    direct = Direct(Echo((2, 3), dtype), dtype)
    for raw in data.draw(
        st.lists(st.binary(min_size=6 * dtype.itemsize, max_size=6 * dtype.itemsize))
    ):
        assert direct.run(raw)["y"].tobytes() == raw
        assert direct.run(memoryview(raw))["y"].tobytes() == raw


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
@given(rows=st.lists(st.lists(st.floats(), min_size=4, max_size=4), min_size=1))
def test_wide_numbers_are_made_the_models_own_or_refused(
    datatype: str, rows: list[list[float]]
) -> None:
    dtype = DATATYPES[datatype]
    direct = Direct(Echo((1, 4), dtype), WIDE)
    for row in rows:
        wide = np.array([row])
        try:
            with np.errstate(over="raise"):
                expected = wide.astype(dtype)
        except FloatingPointError:
            with pytest.raises(FloatingPointError):
                direct.run(wide.tobytes())
        else:
            np.testing.assert_array_equal(direct.run(wide.tobytes())["y"], expected)


def test_too_few_bytes_are_an_error_and_no_old_rows() -> None:
    direct = Direct(Echo((1, 4), WIDE), WIDE)
    with pytest.raises(ValueError, match="memoryview assignment"):
        direct.run(b"\0" * 24)
