"""Figures of merit. Counts over a batch, on its device, while training; reports at the end."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Labels = NDArray[np.int64]


def right_classes(logits: Tensor, targets: Tensor) -> Tensor:
    """How many rows of (n, classes) have their target (n,) as the highest; a scalar tensor."""
    return (logits.argmax(dim=1) == targets).sum()


def right_signs(logits: Tensor, targets: Tensor) -> Tensor:
    """How many rows of (n, 1) are positive exactly where their target is one; a scalar tensor."""
    return ((logits > 0) == (targets > 0.5)).sum()


def absolute_errors(outputs: Tensor, targets: Tensor) -> Tensor:
    """The sum of |error| over rows of (n, 1); a scalar tensor."""
    return (outputs - targets).abs().sum()


def confusion(actual: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """(classes, classes): rows by actual class, columns by predicted."""
    flat = np.bincount(actual * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes)


def binary_scores(actual: Labels, predicted: Labels) -> dict[str, float]:
    """Accuracy, and precision, recall and F1 of class 1, each 0 where it has no denominator.

    Precision = TP / (TP + FP), recall = TP / (TP + FN), F1 = 2·TP / (2·TP + FP + FN).
    """
    table = confusion(actual, predicted, 2)
    hit, false, missed = int(table[1, 1]), int(table[0, 1]), int(table[1, 0])
    return {
        "accuracy": _ratio(int(table.trace()), len(actual)),
        "precision": _ratio(hit, hit + false),
        "recall": _ratio(hit, hit + missed),
        "f1": _ratio(2 * hit, 2 * hit + false + missed),
    }


def roc(actual: Labels, scores: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], float]:
    """The receiver operating characteristic → false and true positive rates, and the area under it.

    From (0, 0) to (1, 1), a point for each place where the threshold may stand between two scores,
    without those on a straight line between their neighbours. Needs rows of both classes.
    """
    order = np.argsort(-scores, kind="stable")
    hits, scores = actual[order], scores[order]
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)  # of runs of equal scores
    caught = np.append(0, np.cumsum(hits)[ends])
    false = np.append(0, 1 + ends) - caught
    area = float(np.trapezoid(caught, false)) / (float(caught[-1]) * float(false[-1]))
    turns = np.diff(caught[:-1]) * np.diff(false[1:]) != np.diff(caught[1:]) * np.diff(false[:-1])
    corners = np.concatenate([[True], turns, [True]])
    return false[corners] / false[-1], caught[corners] / caught[-1], area


def regression_scores(actual: NDArray[Any], predicted: NDArray[Any]) -> dict[str, float]:
    """MSE, RMSE, MAE in the target's unit, and R² = 1 - MSE / variance (0 for constant targets)."""
    error = predicted.astype(np.float64) - actual
    mse = float(np.mean(error**2))
    variance = float(np.var(actual, dtype=np.float64))
    return {
        "mse": mse,
        "rmse": mse**0.5,
        "mae": float(np.mean(np.abs(error))),
        "r2": 1 - mse / variance if variance else 0.0,
    }


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
