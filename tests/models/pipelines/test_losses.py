from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models import data
from tests.support.runs import Recorder, run_pipeline


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Recorder]:
    outcome, report = run_pipeline(
        "losses", tmp_path_factory.mktemp("losses"), points=21, gammas=[0.0, 2.0], margins=[0.2]
    )
    assert outcome.model is None
    return outcome.results, report


def numbers(report: Recorder, name: str) -> Any:
    return json.loads(report.artifacts[f"{name}.json"][0].read_text(), parse_constant=pytest.fail)


def test_known_values(ran: tuple[dict[str, Any], Recorder]) -> None:
    results, _ = ran
    assert results["focal_discount_of_an_easy_row"] == pytest.approx(100)
    assert results["smooth_l1_at_beta"] == pytest.approx(0.5 / 2)
    assert results["huber_at_beta"] == pytest.approx(0.5**2 / 2)
    assert results["triplet_at_equal_distances"] == pytest.approx(0.2)
    assert results["dice_with_full_overlap"] < 0.01 < 0.99 < results["dice_without_overlap"]


def test_each_comparison_is_a_plot_with_its_numbers(ran: tuple[dict[str, Any], Recorder]) -> None:
    _, report = ran
    names = ("focal", "regression", "dice", "triplet")
    assert set(report.artifacts) == {f"{name}.{kind}" for name in names for kind in ("png", "json")}


def test_focal_loss_is_drawn_of_probabilities_and_not_of_logits(
    ran: tuple[dict[str, Any], Recorder],
) -> None:
    panels = numbers(ran[1], "focal")
    for target in (0, 1):
        panel = panels[f"Target {target}"]
        for p, entropy, unfocused, focal in zip(*panel.values(), strict=False):
            true = p if target else 1 - p
            weight = 0.25 if target else 0.75
            assert entropy == pytest.approx(-math.log(true))
            assert unfocused == pytest.approx(weight * entropy)
            assert focal == pytest.approx(weight * (1 - true) ** 2 * entropy)


def test_dice_minds_the_share_that_is_found_and_not_the_size(
    ran: tuple[dict[str, Any], Recorder],
) -> None:
    by_overlap, by_size = numbers(ran[1], "dice").values()
    for share, dice in zip(by_overlap["x"], by_overlap["Dice"], strict=True):
        assert dice == pytest.approx(1 - share, abs=0.01)
    assert max(by_size["Dice"]) - min(by_size["Dice"]) < 0.02
    assert by_size["cross-entropy"][-1] > 100 * by_size["cross-entropy"][0]


def test_the_triplet_loss_ends_at_the_margin(ran: tuple[dict[str, Any], Recorder]) -> None:
    (panel,) = numbers(ran[1], "triplet").values()
    for more, loss in zip(panel["x"], panel["margin 0.2"], strict=True):
        assert loss == pytest.approx(max(0.0, 0.2 - more), abs=1e-9)


@pytest.mark.parametrize(
    ("pipeline", "dataset", "epochs"),
    [("binary-classification", "moons", 20), ("image-classification", "digits", 3)],
)
def test_classifiers_learn_by_focal_loss_too(
    pipeline: str, dataset: str, epochs: int, tmp_path: Path
) -> None:
    """And tell its value: here of the probabilities that the served model gives."""
    choice = {"name": "focal", "focal_gamma": 1.5}
    outcome, report = run_pipeline(pipeline, tmp_path, epochs=epochs, loss=choice)
    assert outcome.results["test_accuracy"] >= 0.9
    assert outcome.model is not None
    rows = data.load(dataset, tmp_path, report)
    inputs, labels = rows.inputs[rows.test], rows.targets[rows.test]
    with torch.inference_mode():
        answers = outcome.model.servable(torch.from_numpy(inputs)).double().numpy()
    true = answers[np.arange(len(labels)), labels]
    weight = np.where(labels == 1, 0.25, 0.75) if pipeline.startswith("binary") else 1.0
    expected = (-weight * (1 - true) ** 1.5 * np.log(true)).mean()
    assert outcome.results["test_loss"] == pytest.approx(expected, rel=1e-3)
