from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from models import data
from models.data import Dataset
from models.publishing import publish
from models.run import Outcome
from tests.support.runs import Recorder, run_pipeline

pytestmark = pytest.mark.long

Ran = tuple[Outcome, Recorder]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """As many numbers as there are classes, which are not their probabilities."""
    directory = tmp_path_factory.mktemp("metric-learning")
    return run_pipeline("metric-learning", directory, epochs=2, dimensions=10)


def numbers(report: Recorder, name: str) -> Any:
    return json.loads(report.artifacts[f"{name}.json"][0].read_text())


def embeddings(outcome: Outcome, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    assert outcome.model is not None
    with torch.inference_mode():
        points = outcome.model.servable(torch.from_numpy(np.array(dataset.inputs))).numpy()
    return points[dataset.train], points[dataset.test]


def recall(
    gallery: np.ndarray, known: np.ndarray, queries: np.ndarray, labels: np.ndarray
) -> float:
    return KNeighborsClassifier(1).fit(gallery, known).score(queries, labels)


def test_recall_is_that_of_a_nearest_neighbour(ran: Ran, tmp_path: Path) -> None:
    outcome, report = ran
    dataset = data.load("digits", tmp_path, report)
    train, test = embeddings(outcome, dataset)
    known, labels = dataset.targets[dataset.train], dataset.targets[dataset.test]
    results = outcome.results
    assert results["test_recall_at_1"] == pytest.approx(recall(train, known, test, labels))
    pixels = dataset.inputs.reshape(len(dataset.inputs), -1)
    expected = recall(pixels[dataset.train], known, pixels[dataset.test], labels)
    assert results["pixel_recall_at_1"] == pytest.approx(expected)
    last = report.history[-1]["test_leave_one_out_recall"]
    assert results["test_leave_one_out_recall"] == pytest.approx(last)


def test_embeddings_have_length_one_and_are_no_probabilities(ran: Ran, tmp_path: Path) -> None:
    outcome, report = ran
    train, _ = embeddings(outcome, data.load("digits", tmp_path, report))
    assert np.linalg.norm(train, axis=1) == pytest.approx(1, abs=1e-5)
    assert outcome.model is not None
    assert outcome.model.signature.outputs[0].shape == (-1, 10)
    assert outcome.model.classes is None


def test_neighbours_are_training_images_nearest_first(ran: Ran, tmp_path: Path) -> None:
    outcome, report = ran
    dataset = data.load("digits", tmp_path, report)
    train, test = embeddings(outcome, dataset)
    drawn = numbers(report, "neighbours")
    assert len({entry["query"] for entry in drawn}) == len(drawn) == 5
    for entry in drawn:
        differences = np.abs(dataset.inputs[dataset.test] - entry["pixels"][0]).max(axis=(1, 2, 3))
        assert differences.min() < 1e-4  # pixels are written with four decimals
        apart = np.linalg.norm(train - test[differences.argmin()], axis=1)
        assert entry["distances"] == pytest.approx(np.sort(apart)[:4].tolist(), abs=1e-3)
        first = dataset.targets[dataset.train][apart.argmin()]
        assert entry["neighbours"][0] == str(first)


def test_the_map_has_every_test_row_at_its_class(ran: Ran, tmp_path: Path) -> None:
    _, report = ran
    dataset = data.load("digits", tmp_path, report)
    drawn = numbers(report, "embedding-map")
    assert drawn["labels"] == [str(label) for label in dataset.targets[dataset.test]]
    assert np.asarray(drawn["points"]).shape == (len(dataset.test), 2)
    assert 0 < drawn["variance_share"][1] <= drawn["variance_share"][0] < 1


def test_the_held_out_loss_is_mined_in_groups_of_a_step(tmp_path: Path) -> None:
    """Among all 359 test rows the hardest would be harder than among the 64 of a step."""
    hard = {"name": "triplet", "mining": "batch_hard"}
    still = {"epochs": 1, "net": "mlp", "dropout": 0.0, "optimizer": {"lr": 1e-9}}
    outcome, report = run_pipeline("metric-learning", tmp_path, loss=hard, **still)
    losses = report.history[0]
    assert losses["test_loss"] == pytest.approx(losses["train_loss"], rel=0.05)
    assert outcome.results["test_loss"] == losses["test_loss"]


def test_every_backend_gives_the_same_embeddings(ran: Ran, tmp_path: Path) -> None:
    outcome, report = ran
    assert outcome.model is not None
    published = publish(outcome.model, tmp_path, report=report)
    assert {name: entry["status"] for name, entry in published.backends.items()} == {
        "eager": "certified",
        "torchscript": "certified",
        "torchexport": "certified",
        "onnxruntime": "certified",
    }
