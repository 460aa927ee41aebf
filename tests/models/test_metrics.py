"""Against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from models.metrics import (
    absolute_errors,
    binary_scores,
    confusion,
    regression_scores,
    right_classes,
    right_signs,
    roc,
)

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


def columns(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    actual, predicted = np.array(pairs, dtype=np.int64).T
    return actual, predicted


@given(PAIRS)
def test_confusion(pairs: list[tuple[int, int]]) -> None:
    actual, predicted = columns(pairs)
    expected = reference.confusion_matrix(actual, predicted, labels=range(4))
    assert confusion(actual, predicted, 4).tolist() == expected.tolist()


@given(PAIRS)
def test_binary_scores(pairs: list[tuple[int, int]]) -> None:
    actual, predicted = (column % 2 for column in columns(pairs))
    precision, recall, f1, _ = reference.precision_recall_fscore_support(
        actual, predicted, labels=[1], average="binary", zero_division=0
    )
    expected = {
        "accuracy": reference.accuracy_score(actual, predicted),
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }
    assert binary_scores(actual, predicted) == pytest.approx(expected)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8)), max_size=60), st.integers(0, 8))
def test_roc(rows: list[tuple[bool, int]], score: int) -> None:
    """With one row of each class in any case, and scores that are often equal."""
    actual, levels = np.array([(True, score), (False, 4), *rows]).T
    scores = (levels / 8).astype(np.float32)
    false, true, area = roc(actual, scores)
    expected = reference.roc_curve(actual, scores, drop_intermediate=False)[:2]
    assert area == pytest.approx(reference.roc_auc_score(actual, scores))
    assert np.trapezoid(true, false) == pytest.approx(area)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert {*zip(false, true, strict=True)} <= {*zip(*expected, strict=True)}
    slopes = np.arctan2(np.diff(true), np.diff(false))
    assert (np.abs(np.diff(slopes)) > 1e-9).all(), "no point on a straight line"


def test_regression_scores() -> None:
    generator = np.random.default_rng(0)
    actual = generator.normal(5, 2, (50, 1)).astype(np.float32)
    predicted = actual + generator.normal(0, 1, (50, 1)).astype(np.float32)
    expected = {
        "mse": reference.mean_squared_error(actual, predicted),
        "rmse": reference.root_mean_squared_error(actual, predicted),
        "mae": reference.mean_absolute_error(actual, predicted),
        "r2": reference.r2_score(actual, predicted),
    }
    assert regression_scores(actual, predicted) == pytest.approx(expected, rel=1e-5)
    assert regression_scores(np.ones((3, 1)), np.zeros((3, 1)))["r2"] == 0.0


def test_counts_of_right_answers() -> None:
    logits = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.4]])
    assert right_classes(logits, torch.tensor([1, 0, 0])).item() == 2
    signs = torch.tensor([[-1.0], [2.0], [3.0], [-0.1]])
    assert right_signs(signs, torch.tensor([[0.0], [1.0], [0.0], [1.0]])).item() == 2


def test_absolute_errors_are_summed() -> None:
    assert absolute_errors(torch.tensor([[1.0], [5.0]]), torch.tensor([[3.0], [4.5]])).item() == 2.5
