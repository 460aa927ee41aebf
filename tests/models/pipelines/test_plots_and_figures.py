"""Each pipeline's own artifacts and results, checked against the model that it trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from models import data
from models.run import Outcome
from tests.support.runs import Recorder, run_pipeline

pytestmark = pytest.mark.long


def numbers(report: Recorder, name: str) -> Any:
    return json.loads(report.artifacts[f"{name}.json"][0].read_text())


def answers(outcome: Outcome, rows: np.ndarray) -> np.ndarray:
    assert outcome.model is not None
    with torch.inference_mode():
        return outcome.model.servable(torch.from_numpy(rows)).numpy()


def test_linear_regression(tmp_path: Path) -> None:
    outcome, report = run_pipeline("linear-regression", tmp_path, epochs=20)
    assert set(report.artifacts) == {"loss.png", "loss.json", "weights.png", "weights.json"}
    weights = numbers(report, "weights")
    dataset = data.load("synthetic-linear", tmp_path, report)
    assert weights["true"] == pytest.approx(dataset.truth["weights"][:, 0].tolist())
    worst = max(abs(a - b) for a, b in zip(weights["learned"], weights["true"], strict=True))
    assert outcome.results["max_abs_weight_error"] == pytest.approx(worst)
    losses = numbers(report, "loss")
    assert losses["train"] == [epoch["train_loss"] for epoch in report.history]
    predicted = answers(outcome, dataset.inputs[dataset.test])
    actual = dataset.targets[dataset.test]
    assert outcome.results["test_r2"] == pytest.approx(reference.r2_score(actual, predicted))


def test_binary_classification(tmp_path: Path) -> None:
    outcome, report = run_pipeline("binary-classification", tmp_path, epochs=10)
    dataset = data.load("moons", tmp_path, report)
    predicted = answers(outcome, dataset.inputs[dataset.test]).argmax(axis=1)
    actual = dataset.targets[dataset.test]
    for name in ("accuracy", "precision", "recall", "f1"):
        expected = getattr(reference, f"{name}_score")(actual, predicted)
        assert outcome.results[f"test_{name}"] == pytest.approx(expected)
    curves = numbers(report, "curves")
    assert curves["Loss"]["test"] == [epoch["test_loss"] for epoch in report.history]
    plane = numbers(report, "decision-boundary")
    corner = np.array([[plane["x"][5], plane["y"][7]]], np.float32)
    assert plane["probability"][7][5] == pytest.approx(answers(outcome, corner)[0, 1], abs=1e-5)
    assert len(plane["points"]) == len(plane["labels"]) == 1000


def test_image_classification(tmp_path: Path) -> None:
    outcome, report = run_pipeline("image-classification", tmp_path, epochs=4)
    dataset = data.load("digits", tmp_path, report)
    predicted = answers(outcome, dataset.inputs[dataset.test]).argmax(axis=1)
    actual = dataset.targets[dataset.test]
    expected = reference.confusion_matrix(actual, predicted)
    assert numbers(report, "confusion-matrix")["matrix"] == expected.tolist()
    wrong = numbers(report, "misclassified")
    assert 0 < len(wrong["actual"]) <= 10
    assert all(a != b for a, b in zip(wrong["actual"], wrong["predicted"], strict=True))
    assert outcome.results["test_errors"] == int((actual != predicted).sum())
    assert len(numbers(report, "samples")["labels"]) == 10


def test_the_held_out_images_are_raw_and_unseen(tmp_path: Path) -> None:
    _, report = run_pipeline("image-classification", tmp_path, epochs=1)
    held = numbers(report, "heldout")
    inputs = np.asarray(held["inputs"], np.float32)
    assert inputs.shape == (20, 1, 28, 28)
    assert 0 <= inputs.min() < inputs.max() <= 1
    dataset = data.load("digits", tmp_path, report)
    assert (inputs == dataset.inputs[dataset.test[:20]]).all()
    assert held["labels"] == [str(label) for label in dataset.targets[dataset.test[:20]]]


def test_a_perfect_model_says_that_nothing_is_misclassified(tmp_path: Path) -> None:
    from models import plots

    figure = plots.images([], "Misclassified test images", empty="Every test image was right.")
    figure.savefig(tmp_path / "none.png")
    assert figure.texts[-1].get_text() == "Every test image was right."


def test_a_confusion_of_more_classes_than_fit_is_drawn_without_counts(tmp_path: Path) -> None:
    from models import plots

    matrix = np.eye(60, dtype=np.int64)
    figure = plots.confusion(matrix, [f"class {code}" for code in range(60)], "Many classes")
    assert max(figure.get_size_inches()) < 30
    assert not figure.axes[0].texts
    figure.savefig(tmp_path / "many.png")


def test_the_choices_in_the_params_are_used(tmp_path: Path) -> None:
    outcome, _ = run_pipeline(
        "binary-classification",
        tmp_path,
        epochs=1,
        hidden=[5],
        activation="tanh",
        dropout=0.5,
        initialization="orthogonal",
        optimizer={"name": "momentum", "lr": 0.1},
        loss={"positive_weight": 2.0},
    )
    assert outcome.model is not None
    assert outcome.model.servable.architecture["net"]["hidden"] == [5]
    assert outcome.results["parameters"] == 2 * 5 + 5 + 5 + 1
