"""The pipelines on tables, against scikit-learn's figures and the statistics of the rows."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as reference
from sklearn.preprocessing import StandardScaler

from models import data, supervised
from models.backends import BACKENDS
from models.data import Dataset
from models.pipelines import PIPELINES
from models.publishing import publish
from models.run import Outcome
from tests.support.models import RecordingReporter
from tests.support.runs import Recorder, context, run_pipeline

pytestmark = pytest.mark.long

Ran = tuple[Outcome, Recorder, Dataset]


def run_on(
    dataset: Dataset, name: str, directory: Path, patch: pytest.MonkeyPatch, **params: Any
) -> Ran:
    """As if `dataset` had been uploaded."""
    report, pipeline = Recorder(), PIPELINES[name]
    patch.setattr(supervised, "load_dataset", lambda _context: dataset)
    given = pipeline.params.model_validate(params)
    return pipeline.run(context(directory, report=report), given), report, dataset


def numbers(report: Recorder, name: str) -> Any:
    return json.loads(report.artifacts[f"{name}.json"][0].read_text())


def answers(outcome: Outcome, rows: np.ndarray) -> np.ndarray:
    assert outcome.model is not None
    with torch.inference_mode():
        return outcome.model.servable(torch.from_numpy(rows)).numpy()


@pytest.fixture(scope="module")
def diabetes(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    directory = tmp_path_factory.mktemp("regression")
    outcome, report = run_pipeline("regression", directory, epochs=5)
    return outcome, report, data.load("diabetes", directory, report)


@pytest.fixture(scope="module")
def breast_cancer(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    directory, report = tmp_path_factory.mktemp("binary"), Recorder()
    pipeline = PIPELINES["binary-classification"]
    run = context(directory, report=report, dataset="breast-cancer")
    return pipeline.run(run, pipeline.params()), report, data.load(run.dataset, directory, report)


def test_a_regression_is_scored_in_the_targets_unit_and_standardised(diabetes: Ran) -> None:
    outcome, _, dataset = diabetes
    actual = dataset.targets[dataset.test]
    predicted = answers(outcome, dataset.inputs[dataset.test])
    scaler = StandardScaler().fit(dataset.targets[dataset.train])
    pairs = {
        "": (outcome.results, actual, predicted),
        "standardized": (
            {f"test_{name}": value for name, value in outcome.results["standardized"].items()},
            scaler.transform(actual),
            scaler.transform(predicted),
        ),
    }
    for found, true, guess in pairs.values():
        assert found["test_mse"] == pytest.approx(reference.mean_squared_error(true, guess))
        assert found["test_rmse"] == pytest.approx(reference.root_mean_squared_error(true, guess))
        assert found["test_mae"] == pytest.approx(reference.mean_absolute_error(true, guess))
        assert found["test_r2"] == pytest.approx(reference.r2_score(true, guess))
    assert outcome.results["test_loss"] == pytest.approx(outcome.results["standardized"]["mse"])


def test_a_regressions_statistics_are_those_of_the_training_rows(diabetes: Ran) -> None:
    outcome, _, dataset = diabetes
    assert outcome.model is not None
    state = outcome.model.servable.state_dict()
    for part, values in (("pre", dataset.inputs), ("post", dataset.targets)):
        scaler = StandardScaler().fit(values[dataset.train].astype(np.float64))
        assert state[f"{part}.mean"].numpy() == pytest.approx(scaler.mean_, rel=1e-6)
        assert state[f"{part}.std"].numpy() == pytest.approx(scaler.scale_, rel=1e-6)


def test_a_regression_draws_its_predictions_in_both_scales(diabetes: Ran) -> None:
    outcome, report, dataset = diabetes
    names = {"curves", "predictions", "predictions-standardized"}
    assert set(report.artifacts) == {f"{name}.{kind}" for name in names for kind in ("png", "json")}
    drawn, scaled = numbers(report, "predictions"), numbers(report, "predictions-standardized")
    predicted = answers(outcome, dataset.inputs[dataset.test])[:, 0]
    assert drawn["predicted"] == pytest.approx(predicted.tolist(), rel=1e-6)
    assert drawn["actual"] == dataset.targets[dataset.test, 0].tolist()
    mean, std = (float(f(dataset.targets[dataset.train])) for f in (np.mean, np.std))
    for key, values in scaled.items():
        assert np.multiply(values, std) + mean == pytest.approx(drawn[key], rel=1e-4)
    curves = numbers(report, "curves")
    assert curves["Loss"]["test"] == [epoch["test_loss"] for epoch in report.history]
    mae = outcome.results["standardized"]["mae"]
    assert curves["Mean absolute error"]["test"][-1] == pytest.approx(mae)


def test_a_regression_with_batch_norm_is_certified_everywhere(
    diabetes: Ran, tmp_path: Path
) -> None:
    outcome, _, _ = diabetes
    assert outcome.model is not None
    assert outcome.model.servable.architecture["net"]["batch_norm"] is True
    found = publish(outcome.model, tmp_path, report=RecordingReporter()).backends
    assert {name: entry["status"] for name, entry in found.items()} == dict.fromkeys(
        BACKENDS, "certified"
    )


def test_breast_cancer_is_told_with_four_figures(breast_cancer: Ran) -> None:
    outcome, report, dataset = breast_cancer
    actual = dataset.targets[dataset.test]
    scores = answers(outcome, dataset.inputs[dataset.test])
    predicted = scores.argmax(axis=1)
    assert outcome.results["test_accuracy"] >= 0.95
    assert outcome.results["positive_class"] == "benign"
    for name in ("accuracy", "precision", "recall", "f1"):
        expected = getattr(reference, f"{name}_score")(actual, predicted)
        assert outcome.results[f"test_{name}"] == pytest.approx(expected)
    names = {"curves", "confusion-matrix", "roc"}
    assert set(report.artifacts) == {f"{name}.{kind}" for name in names for kind in ("png", "json")}
    expected = reference.confusion_matrix(actual, predicted).tolist()
    assert numbers(report, "confusion-matrix")["matrix"] == expected
    area = reference.roc_auc_score(actual, scores[:, 1])
    assert numbers(report, "roc")["area"] == pytest.approx(area)


def test_two_columns_without_names_have_a_boundary_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moons = data.load("moons", tmp_path, Recorder())
    info = dataclasses.replace(moons.info, kind="arrays", features=None)
    inputs = moons.inputs * np.float32([1, 0])  # the second says nothing
    dataset = dataclasses.replace(moons, info=info, inputs=inputs)
    outcome, report, _ = run_on(
        dataset, "binary-classification", tmp_path, monkeypatch, epochs=1, standardize=False
    )
    plane = numbers(report, "decision-boundary")
    assert (plane["y"][0], plane["y"][-1]) == (-0.5, 0.5)
    assert outcome.model is not None
    assert outcome.model.servable.architecture["pre"] == {"name": "identity"}


def test_test_rows_of_one_class_have_no_operating_characteristic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moons = data.load("moons", tmp_path, Recorder())
    one_class = moons.test[moons.targets[moons.test] == 1]
    dataset = dataclasses.replace(moons, test=one_class)
    outcome, report, _ = run_on(dataset, "binary-classification", tmp_path, monkeypatch, epochs=1)
    assert "roc.json" not in report.artifacts
    assert outcome.results["test_accuracy"] == outcome.results["test_recall"]


def test_wines_are_counted(tmp_path: Path) -> None:
    outcome, report = run_pipeline("tabular-classification", tmp_path, epochs=5)
    dataset = data.load("wine", tmp_path, report)
    actual = dataset.targets[dataset.test]
    predicted = answers(outcome, dataset.inputs[dataset.test]).argmax(axis=1)
    expected = reference.confusion_matrix(actual, predicted)
    assert numbers(report, "confusion-matrix")["matrix"] == expected.tolist()
    assert outcome.results["test_errors"] == int((actual != predicted).sum())
    assert outcome.results["test_accuracy"] == reference.accuracy_score(actual, predicted)
    assert outcome.results["parameters"] == 13 * 20 + 20 + 20 * 3 + 3, "the tutorial's SimpleNN"


@pytest.mark.parametrize(
    ("params", "layers"),
    [
        (
            {"hidden": [20, 15], "activation": "softmax", "batch_norm": True, "dropout": 0.1},
            ["Flatten", *["Linear", "BatchNorm", "Softmax", "Dropout"] * 2, "Linear"],
        ),
        (
            {"net": "custom_mlp", "hidden": [20]},
            ["Flatten", "CustomLinear", "CustomReLU", "CustomLinear"],
        ),
    ],
)
def test_the_net_is_a_choice(params: dict[str, Any], layers: list[str], tmp_path: Path) -> None:
    outcome, report = run_pipeline("tabular-classification", tmp_path, epochs=15, **params)
    assert outcome.model is not None
    net: Any = outcome.model.servable.net
    assert [type(layer).__name__ for layer in net.layers] == layers
    assert report.history[-1]["test_loss"] < report.history[0]["test_loss"]
