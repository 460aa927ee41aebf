"""Rows that go through memory bound to a session come out as by the ordinary way."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper

from models import onnx_bound
from models.backends.onnxruntime import OnnxRunner
from models.onnx_bound import Bound
from models.signature import DATATYPES, Signature, TensorSpec
from tests.support import onnx_files

NUMBERS = sorted(set(onnx_files.TYPES) - {"BYTES"})


@cache
def session_of(datatype: str) -> Any:
    """`y` is `x`, three numbers a row."""
    kind = onnx_files.TYPES[datatype]
    made = onnx_files.model(
        inputs=[onnx_files.value("x", kind)], outputs=[onnx_files.value("y", kind)]
    )
    return onnxruntime.InferenceSession(made.SerializeToString())


def signature(datatype: str = "FP32", output: Sequence[int] = (-1, 3)) -> Signature:
    return Signature(
        (TensorSpec("x", datatype, (-1, 3)),), (TensorSpec("y", datatype, tuple(output)),)
    )


def numbers(rows: int, datatype: str = "FP32", seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(0, 2, (rows, 3)).astype(DATATYPES[datatype])


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of the calls that have gone through bound memory."""
    shapes: list[tuple[int, ...]] = []
    run = Bound.run

    def seen(self: Bound, inputs: NDArray[Any]) -> Any:
        shapes.append(inputs.shape)
        return run(self, inputs)

    monkeypatch.setattr(Bound, "run", seen)
    return shapes


@given(
    datatype=st.sampled_from(NUMBERS),
    calls=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=12),
)
def test_any_course_of_calls_is_answered_as_each_alone(
    datatype: str, calls: list[tuple[int, int]]
) -> None:
    runner = OnnxRunner(session_of(datatype), signature(datatype))
    answers = [runner.run({"x": numbers(rows, datatype, seed)})["y"] for rows, seed in calls]
    for (rows, seed), answer in zip(calls, answers, strict=True):
        expected = numbers(rows, datatype, seed)
        assert answer.dtype == expected.dtype
        assert answer.shape == expected.shape
        np.testing.assert_array_equal(answer, expected)


def test_a_shape_is_bound_after_its_first_call(bound: list[tuple[int, ...]]) -> None:
    runner = OnnxRunner(session_of("FP32"), signature())
    for rows in (1, 1, 2, 1, 2):
        runner.run({"x": numbers(rows)})
    assert bound == [(1, 3), (1, 3), (2, 3)]


def test_what_is_large_and_what_comes_late_goes_the_ordinary_way(
    bound: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_bound, "MAX_SHAPES", 3)
    runner = OnnxRunner(session_of("FP32"), signature())
    large = onnx_bound.MAX_BYTES // 12 + 1
    for rows in (large, 1, 2, 3):
        for seed in range(2):
            got = runner.run({"x": numbers(rows, seed=seed)})["y"]
            np.testing.assert_array_equal(got, numbers(rows, seed=seed))
    assert bound == [(1, 3), (2, 3)], "the third shape that was seen is the last that is bound"


def test_outputs_whose_shape_hangs_on_the_values_are_right_each_time() -> None:
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["largest"], axes=[1], keepdims=0),
        helper.make_node("Cast", ["largest"], ["chosen"], to=onnx_files.TYPES["BOOL"]),
        helper.make_node("Compress", ["x", "chosen"], ["y"], axis=0),
    ]
    made = onnx_files.model(nodes, outputs=[onnx_files.value("y", shape=("m", 3))], opset=17)
    runner = OnnxRunner(onnxruntime.InferenceSession(made.SerializeToString()), signature())
    for zeros in (1, 2, 2, 0, 1):
        x = np.ones((3, 3), np.float32)
        x[:zeros] = 0
        assert runner.run({"x": x})["y"].shape == (3 - zeros, 3)


def test_rows_that_the_model_fails_on_cost_others_nothing(bound: list[tuple[int, ...]]) -> None:
    table = helper.make_tensor("table", onnx_files.TYPES["FP32"], (2,), [5.0, 7.0])
    made = onnx_files.model(
        [helper.make_node("Gather", ["table", "x"], ["y"])],
        inputs=[onnx_files.value("x", onnx_files.TYPES["INT64"])],
        weights=[table],
    )
    specs = Signature((TensorSpec("x", "INT64", (-1, 3)),), (TensorSpec("y", "FP32", (-1, 3)),))
    runner = OnnxRunner(onnxruntime.InferenceSession(made.SerializeToString()), specs)
    good = np.array([[0, 1, 0]])
    for _ in range(2):
        runner.run({"x": good})
    with pytest.raises(Exception, match="out of data bounds"):
        runner.run({"x": good + 9})
    bound.clear()
    for _ in range(3):
        assert runner.run({"x": good})["y"].tolist() == [[5.0, 7.0, 5.0]]
    assert bound == [(1, 3), (1, 3)], "bound anew by the first"


def test_outputs_of_varying_width_are_never_bound(bound: list[tuple[int, ...]]) -> None:
    runner = OnnxRunner(session_of("FP32"), signature(output=(-1, -1)))
    for _ in range(3):
        runner.run({"x": numbers(2)})
    assert bound == []


def test_a_datatype_that_is_not_the_models_is_refused_as_ever() -> None:
    runner = OnnxRunner(session_of("FP32"), signature())
    for _ in range(2):
        runner.run({"x": numbers(1)})
    with pytest.raises(Exception, match="Unexpected input data type"):
        runner.run({"x": numbers(1, "FP64")})
    np.testing.assert_array_equal(runner.run({"x": numbers(1)})["y"], numbers(1))


def test_threads_that_run_the_same_shape_do_not_mix_their_rows() -> None:
    runner = OnnxRunner(session_of("FP32"), signature())
    rows = [np.full((2, 3), number, np.float32) for number in range(400)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda x: runner.run({"x": x})["y"], rows))
    for x, answer in zip(rows, answers, strict=True):
        np.testing.assert_array_equal(answer, x)


def test_a_library_that_keeps_its_insides_elsewhere_is_asked_by_its_front_door() -> None:
    class Renamed:
        def __init__(self, session: Any) -> None:
            self.get_inputs, self.io_binding = session.get_inputs, session.io_binding
            self.run_with_iobinding = session.run_with_iobinding

    x = numbers(2)
    made = Bound(Renamed(session_of("FP32")), x, {"y": x})
    np.testing.assert_array_equal(made.run(x)["y"], x)


@pytest.mark.parametrize("datatype", NUMBERS)
def test_memory_of_ones_own_is_apart_from_that_of_all_others(datatype: str) -> None:
    runner = OnnxRunner(session_of(datatype), signature(datatype))
    assert runner.bound((2, 3)) is None, "before the first call of that shape"
    first, other = numbers(2, datatype, 1), numbers(2, datatype, 2)
    runner.run({"x": first})
    mine, yours = runner.bound((2, 3)), runner.bound((2, 3))
    assert mine is not None
    assert yours is not None
    mine.inputs[...] = first
    yours.inputs[...] = other
    for one in (mine, yours):
        one.compute()
    np.testing.assert_array_equal(runner.run({"x": other})["y"], other)
    np.testing.assert_array_equal(mine.outputs["y"], first)
    np.testing.assert_array_equal(yours.outputs["y"], other)


def test_a_closed_runner_keeps_nothing() -> None:
    runner = OnnxRunner(session_of("FP32"), signature())
    for _ in range(2):
        runner.run({"x": numbers(1)})
    held = runner.bound((1, 3))
    assert held is not None
    runner.close()
    assert runner.bound((1, 3)) is None
    with pytest.raises(RuntimeError, match="closed"):
        held.compute()
    with pytest.raises(RuntimeError, match="closed"):
        runner.run({"x": numbers(1)})
