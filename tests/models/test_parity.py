from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.parity import (
    BATCH_SIZES,
    BIT_EQUAL,
    MAX_ROWS,
    Certificate,
    Tolerance,
    answer_all,
    certify,
    float32_tolerance,
    max_abs_error,
)
from tests.support.models import FunctionRunner, signature

SIGNATURE = signature((3,), 3)
TOLERANCE = Tolerance(1e-3, 1e-2, "for tests")
ROWS = np.random.default_rng(0).random((40, 3)).astype(np.float32) + 0.1


def _same(x: NDArray[Any]) -> NDArray[Any]:
    return x.copy()


def _certify(
    function: Any,
    rows: NDArray[Any] = ROWS,
    *,
    reference: Any = _same,
    task: str = "multiclass",
    tolerance: Tolerance | None = TOLERANCE,
) -> Certificate:
    return certify(
        FunctionRunner(function),
        answer_all(FunctionRunner(reference), {"features": rows}),
        SIGNATURE,
        task=task,
        tolerance=tolerance,
    )


def test_the_same_function_is_certified_bit_for_bit() -> None:
    certificate = _certify(_same, tolerance=BIT_EQUAL)
    assert certificate.passed
    assert (certificate.max_abs_error, certificate.max_rel_error) == (0.0, 0.0)
    assert certificate.argmax_agreement == 1.0
    assert certificate.rows == len(ROWS)


def test_one_bit_is_too_much_where_bits_must_be_equal() -> None:
    certificate = _certify(lambda x: np.nextafter(x, np.float32(9)), tolerance=BIT_EQUAL)
    assert not certificate.passed


def test_both_sides_see_the_same_batches_of_each_size_and_all_rows() -> None:
    seen: list[NDArray[Any]] = []

    def look(x: NDArray[Any]) -> NDArray[Any]:
        seen.append(x.copy())
        return x.copy()

    _certify(look)
    assert [len(batch) for batch in seen[:1]] == [0]
    assert sorted({len(batch) for batch in seen[1:]}) == sorted(BATCH_SIZES)
    for size in BATCH_SIZES:
        rows = np.concatenate([batch for batch in seen if len(batch) == size])
        np.testing.assert_array_equal(np.unique(rows, axis=0), np.unique(ROWS, axis=0))


def test_few_rows_are_repeated_and_counted_once() -> None:
    certificate = _certify(_same, ROWS[:3])
    assert certificate.passed
    assert certificate.rows == 3


def test_many_rows_are_cut_to_a_bounded_number() -> None:
    assert _certify(_same, np.tile(ROWS, (5, 1))).rows == MAX_ROWS


@given(st.floats(-2, 2), st.integers(0, len(ROWS) - 1), st.integers(0, 2))
def test_an_element_is_allowed_abs_plus_rel_of_its_size(
    share: float, row: int, column: int
) -> None:
    """A change of `share` of the allowed one is accepted below 1 and rejected above."""
    value = float(ROWS[row, column])
    change = share * (TOLERANCE.abs + TOLERANCE.rel * value)

    def off(x: NDArray[Any]) -> NDArray[Any]:
        there = (x == ROWS[row, column]) & (np.arange(3) == column)
        return np.where(there, x + np.float32(change), x).astype(np.float32)

    certificate = _certify(off, task="regression")
    assert certificate.max_abs_error == pytest.approx(abs(change), abs=1e-6)
    if abs(abs(share) - 1) > 1e-3:
        assert certificate.passed == (abs(share) < 1)


def test_a_rejection_says_where_and_by_how_much() -> None:
    reason = _certify(lambda x: x + np.float32(0.5), task="regression").reason
    assert reason == (
        "batch size 1, output 'answer': off by 0.5, more than 0.001 + 0.01·|expected|"
    )


def test_an_error_at_one_batch_size_only_is_found() -> None:
    reason = _certify(lambda x: x * np.float32(1 + (len(x) == 7))).reason
    assert reason is not None
    assert reason.startswith("batch size 7,")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_rejected_on_either_side(bad: float) -> None:
    def spoil(x: NDArray[Any]) -> NDArray[Any]:
        return np.where(np.arange(x.size).reshape(x.shape) == 4, np.float32(bad), x)

    mine = _certify(spoil)
    assert mine.reason == "batch size 2, output 'answer': its answer has NaN or infinity"
    theirs = _certify(_same, reference=spoil)
    assert theirs.reason is not None
    assert "the trained model's own answer has NaN" in theirs.reason
    both = _certify(spoil, reference=spoil)
    assert not both.passed
    for certificate in (mine, theirs, both):
        json.dumps(certificate.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: x[:, :2], "shape"),
        (lambda x: x.astype(np.float64), "float64 of shape"),
        (lambda x: np.concatenate([x, x]), "shape"),
        (lambda x: x if len(x) else np.ones((1, 3), np.float32), "zero rows give 'answer'"),
        (lambda x: x if len(x) else np.ones(0, np.float32), "zero rows give 'answer'"),
    ],
)
def test_another_shape_or_datatype_is_rejected(function: Any, reason: str) -> None:
    certificate = _certify(function)
    assert certificate.reason is not None
    assert reason in certificate.reason


def test_another_first_class_is_rejected_and_counted() -> None:
    rows = np.tile(np.array([[0.35, 0.0, 0.65], [0.65, 0.0, 0.35]], np.float32), (16, 1))

    def shift_first_kind(x: NDArray[Any]) -> NDArray[Any]:
        shifted = np.array([0.51, 0.0, 0.49], np.float32)
        return np.where(x[:, :1] == np.float32(0.35), shifted, x)

    wide = Tolerance(0.2, 0.0, "lets the values pass, not the order")
    certificate = _certify(shift_first_kind, rows, tolerance=wide)
    assert certificate.argmax_agreement == pytest.approx(0.5, abs=0.02)
    assert certificate.reason == (
        "batch size 1, output 'answer': another class comes first in 1 rows"
    )


def test_classes_tied_within_the_tolerance_may_change_places() -> None:
    rows = np.tile(np.array([[0.5, 0.4999, 0.0001]], np.float32), (8, 1))
    certificate = _certify(lambda x: x[:, [1, 0, 2]], rows)
    assert certificate.passed
    assert certificate.argmax_agreement == 1.0


@pytest.mark.parametrize(("task", "agreement"), [("regression", None), ("binary", 1.0)])
def test_only_classifiers_have_an_agreement(task: str, agreement: float | None) -> None:
    assert _certify(_same, task=task).argmax_agreement == agreement


def test_a_runner_that_works_in_place_cannot_change_what_the_other_sees() -> None:
    def in_place(x: NDArray[Any]) -> NDArray[Any]:
        if len(x):
            with pytest.raises(ValueError, match="read-only"):
                x += 1
        return x.copy()

    assert _certify(in_place).passed


@given(st.floats(1e-6, 1e6))
def test_the_default_tolerance_follows_the_scale_of_the_answers(scale: float) -> None:
    def scaled(x: NDArray[Any]) -> NDArray[Any]:
        return (x * np.float32(scale)).astype(np.float32)

    def rounded(x: NDArray[Any]) -> NDArray[Any]:
        return np.nextafter(scaled(x), np.float32(np.inf))

    def wrong(x: NDArray[Any]) -> NDArray[Any]:
        return scaled(x) * np.float32(1.001)

    assert _certify(rounded, reference=scaled, tolerance=None).passed
    assert not _certify(wrong, reference=scaled, tolerance=None, task="regression").passed


def test_a_model_that_answers_zero_has_a_tolerance_too() -> None:
    assert float32_tolerance(0.0).abs > 0


def test_as_json_it_is_the_contracts_object() -> None:
    assert _certify(_same).to_json() == {
        "rows": 40,
        "batch_sizes": [1, 2, 7, 32],
        "max_abs_error": 0.0,
        "max_rel_error": 0.0,
        "argmax_agreement": 1.0,
        "tolerance": {"abs": 1e-3, "rel": 1e-2},
        "tolerance_reason": "for tests",
    }


def test_max_abs_error_is_over_all_outputs() -> None:
    one, two = np.zeros(3, np.float32), np.ones(2, np.uint8)
    assert max_abs_error({"a": one, "b": two}, {"a": one + 0.5, "b": two * 3}) == 2.0
    assert max_abs_error({"a": one}, {"a": one[:2]}) == np.inf
    assert max_abs_error({"a": one}, {"a": one * np.nan}) == np.inf
    assert max_abs_error({"a": one[:0]}, {"a": one[:0]}) == 0.0
