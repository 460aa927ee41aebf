from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from models import data
from models.errors import InvalidData
from models.publishing import publish
from models.run import Outcome
from tests.support.runs import Recorder, run_pipeline

pytestmark = pytest.mark.long

SMALL = {"epochs": 1, "width": 2, "batch_size": 50}
Ran = tuple[Outcome, Recorder]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run_pipeline("segmentation", tmp_path_factory.mktemp("segmentation"), **SMALL)


def test_its_figures_are_those_of_the_served_masks(ran: Ran, tmp_path: Path) -> None:
    outcome, report = ran
    assert outcome.model is not None
    dataset = data.load("shapes", tmp_path, report)
    pictures, masks = dataset.inputs[dataset.test], dataset.targets[dataset.test] > 0.5
    with torch.inference_mode():
        said = outcome.model.servable(torch.from_numpy(pictures)).numpy() > 0.5
    both, either = ((said & masks).sum((1, 2, 3)), (said | masks).sum((1, 2, 3)))
    assert outcome.results["test_iou"] == pytest.approx((both / either).mean(), abs=1e-6)
    expected = (2 * both / (both + either)).mean()
    assert outcome.results["test_dice"] == pytest.approx(expected, abs=1e-6)


def test_what_is_drawn_is_what_the_model_says(ran: Ran, tmp_path: Path) -> None:
    outcome, report = ran
    assert outcome.model is not None
    assert set(report.artifacts) == {"curves.png", "curves.json", "masks.png", "masks.json"}
    drawn = json.loads(report.artifacts["masks.json"][0].read_text())
    dataset = data.load("shapes", tmp_path, report)
    rows = dataset.test[: len(drawn["masks"])]
    assert drawn["masks"] == dataset.targets[rows].tolist()
    with torch.inference_mode():
        said = outcome.model.servable(torch.from_numpy(dataset.inputs[rows])).numpy()
    assert np.abs(said - np.asarray(drawn["probabilities"])).max() < 1e-4
    curves = json.loads(report.artifacts["curves.json"][0].read_text())
    assert curves["Dice"]["test"] == [outcome.results["test_dice"]]


@pytest.mark.parametrize("name", ["dice", "focal"])
def test_each_loss_finds_something_soon(name: str, tmp_path: Path) -> None:
    outcome, report = run_pipeline("segmentation", tmp_path, **SMALL | {"loss": {"name": name}})
    assert report.history[0]["test_loss"] < report.history[0]["train_loss"]
    assert outcome.results["test_dice"] > 0


def test_pictures_that_cannot_be_halved_so_often_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"'levels' 5 expected .* above 32, got \[1, 32, 32\]"):
        run_pipeline("segmentation", tmp_path, levels=5)


def test_every_backend_gives_the_same_masks(ran: Ran, tmp_path: Path) -> None:
    outcome, report = ran
    assert outcome.model is not None
    published = publish(outcome.model, tmp_path, report=report)
    assert {name: entry["status"] for name, entry in published.backends.items()} == {
        "eager": "certified",
        "torchscript": "certified",
        "torchexport": "certified",
        "onnxruntime": "certified",
    }
