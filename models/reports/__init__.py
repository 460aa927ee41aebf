"""Plots that several pipelines draw of what they have trained, each written with its numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models import metrics, plots
from models.artifacts import Artifacts
from models.supervised import Fitted

HEADINGS = {
    "loss": "Loss",
    "accuracy": "Accuracy",
    "mae": "Mean absolute error",
    "dice": "Dice",
    "leave_one_out_recall": "Recall@1",
}


def draw_curves(files: Artifacts, fitted: Fitted, *figures: str) -> None:
    """Figures of merit by epoch (`loss`, `accuracy`, `mae`), for each part of the data."""
    panels = {HEADINGS[figure]: fitted.curves(figure) for figure in figures}
    title = f"{' and '.join(panels)} by epoch".capitalize()
    files.plot("curves", title, plots.curves(panels, title), panels)


def draw_confusion(
    files: Artifacts, fitted: Fitted, predicted: NDArray[np.int64], rows: str = "rows"
) -> None:
    """Actual against `predicted` classes of the test rows; `rows` is what a person calls them."""
    dataset = fitted.dataset
    actual, classes = dataset.targets[dataset.test], list(dataset.info.classes or ())
    matrix = metrics.confusion(actual, predicted, len(classes))
    title = f"Confusion matrix, {len(actual):,} test {rows}"
    figure = plots.confusion(matrix, classes, title)
    files.plot("confusion-matrix", title, figure, {"classes": classes, "matrix": matrix.tolist()})


def draw_roc(files: Artifacts, fitted: Fitted, scores: NDArray[np.float32]) -> None:
    """How well `scores` of the test rows tell the second class from the first; nothing is drawn
    where all of these rows are of one class."""
    dataset = fitted.dataset
    actual = dataset.targets[dataset.test]
    if len(np.unique(actual)) < 2:
        return
    false, true, area = metrics.roc(actual, scores)
    title = "Receiver operating characteristic, test rows"
    figure = plots.roc(false, true, f"Area {area:.3f}", title)
    numbers = {"false_positive_rate": false.tolist(), "true_positive_rate": true.tolist()}
    files.plot("roc", title, figure, {**numbers, "area": area})
