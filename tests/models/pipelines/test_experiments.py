"""Section 9: what the experiments compare, against what is known of it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from pydantic import ValidationError

from models.errors import Diverged, Interrupted
from models.pipelines import PIPELINES
from models.run import Outcome
from tests.support.runs import Recorder, context, run_pipeline

pytestmark = pytest.mark.long

SMALL: dict[str, dict[str, Any]] = {
    "optimizers": {"epochs": 15},
    "schedulers": {"epochs": 60, "rows": 100, "step_size": 7},
    "initialization": {"rows": 200},
    "regularization": {},
}


class Ran(NamedTuple):
    results: dict[str, Any]
    report: Recorder

    def numbers(self, plot: str) -> Any:
        return json.loads(self.report.artifacts[f"{plot}.json"][0].read_text())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    found: dict[str, Ran] = {}
    for name, params in SMALL.items():
        outcome, report = run_pipeline(name, tmp_path_factory.mktemp(name), **params)
        assert outcome.model is None
        found[name] = Ran(outcome.results, report)
    return found


@pytest.mark.parametrize("name", SMALL)
def test_results_plots_and_progress_are_whole(runs: dict[str, Ran], name: str) -> None:
    results, report = runs[name]
    json.dumps([results, report.history], allow_nan=False)
    plots = {file for file in report.artifacts if file.endswith(".png")}
    assert plots
    assert {file.replace(".png", ".json") for file in plots} <= set(report.artifacts)
    last = report.steps[-1]
    assert (last["epoch"], last["step"]) == (last["epochs"], last["steps"])
    counted = [one["step"] for one in report.steps]
    assert counted == sorted(counted)
    assert report.checkpoints == []


def test_optimizers_are_ranked_by_what_they_reach(runs: dict[str, Ran]) -> None:
    results, report = runs["optimizers"]
    losses = {name: results[f"{name}_final_loss"] for name in results["ranking"]}
    assert set(losses) == {"sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw"}
    assert list(losses.values()) == sorted(losses.values())
    curves = runs["optimizers"].numbers("losses")
    assert all(curves[name][-1] == loss for name, loss in losses.items())
    # A convex problem: the best come down to the noise, and not below it by more than chance.
    assert losses["sgd"] == pytest.approx(results["noise_variance"], rel=0.25)
    assert results["ranking"][-1] == "adagrad"  # whose rate falls from the start
    assert {f"{name}_train_loss" for name in losses} <= set(report.history[-1])


def test_all_optimizers_begin_with_the_same_weights(tmp_path: Path) -> None:
    """With a rate of next to nothing the loss of each stays that of the common start."""
    outcome, _ = run_pipeline("optimizers", tmp_path, epochs=1, lr=1e-12, weight_decay=0.0)
    losses = [outcome.results[f"{name}_final_loss"] for name in outcome.results["ranking"]]
    assert losses == pytest.approx([losses[0]] * 6, rel=1e-6)


def test_each_schedule_is_its_closed_form(runs: dict[str, Ran]) -> None:
    """Formulas of torch.optim.lr_scheduler's documentation. None starts where another has left."""
    rates = runs["schedulers"].numbers("learning-rates")["learning_rate"]
    epochs = range(60)
    assert rates["StepLR"] == pytest.approx([0.1 * 0.5 ** (epoch // 7) for epoch in epochs])
    assert rates["ExponentialLR"] == pytest.approx([0.1 * 0.975**epoch for epoch in epochs])
    cosine = [0.05 * (1 + math.cos(math.pi * epoch / 60)) for epoch in epochs]
    assert rates["CosineAnnealingLR"] == pytest.approx(cosine)
    cycle = rates["OneCycleLR"]
    assert cycle[0] == pytest.approx(0.1 / 25)
    assert max(cycle) == pytest.approx(0.1, rel=1e-3)
    assert cycle[-1] == pytest.approx(0.1 / 25 / 1e4)


def test_the_plateau_drops_when_its_own_loss_has_stopped_falling(runs: dict[str, Ran]) -> None:
    numbers = runs["schedulers"].numbers("learning-rates")
    rates = numbers["learning_rate"]["ReduceLROnPlateau"]
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    expected = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=10)
    for rate, loss in zip(rates, numbers["validation_loss"]["ReduceLROnPlateau"], strict=True):
        assert rate == optimizer.param_groups[0]["lr"]
        expected.step(loss)
    assert rates[-1] < rates[0], "the loss is one that stops falling"


def test_kaiming_keeps_the_signal_and_the_others_lose_it(runs: dict[str, Ran]) -> None:
    """He et al. (2015): with ReLU a gain of √2 keeps the variance; Xavier's halves it each time."""
    methods = runs["initialization"].results["methods"]
    assert set(methods) == {
        "default",
        *(f"{name}_{kind}" for name in ("xavier", "kaiming") for kind in ("uniform", "normal")),
        "orthogonal",
    }
    for name, layers in methods.items():
        assert len(layers) == 9
        lost = layers[-1]["std"] / layers[0]["std"]
        assert (0.5 < lost < 2) if name.startswith("kaiming") else lost < 0.3
        assert all(0.2 < layer["zeros"] < 0.8 for layer in layers)
    counts = runs["initialization"].numbers("activations")["counts"]
    assert all(sum(layer) <= 200 * 100 for layers in counts.values() for layer in layers)


def test_regularisation_narrows_the_gap(runs: dict[str, Ran]) -> None:
    results = runs["regularization"].results
    for figures in results.values():
        gap = figures["test_loss"] - figures["train_loss"]
        assert figures["overfitting_gap"] == pytest.approx(gap)
    assert results["l2"]["overfitting_gap"] < results["none"]["overfitting_gap"]
    assert results["dropout"]["overfitting_gap"] < results["none"]["overfitting_gap"]
    assert results["none"]["train_loss"] < min(
        results[name]["train_loss"] for name in ("l2", "dropout")
    )
    numbers = runs["regularization"].numbers("functions")
    assert len(numbers["train"]) == 35
    assert len(numbers["test"]) == 15
    assert all(len(values) == len(numbers["x"]) for values in numbers["fitted"].values())


def run_with(name: str, directory: Path, report: Recorder, **params: Any) -> Outcome:
    pipeline = PIPELINES[name]
    return pipeline.run(context(directory, report=report), pipeline.params.model_validate(params))


@pytest.mark.parametrize("name", SMALL)
def test_they_stop_when_they_are_told_to(name: str, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run_with(name, tmp_path, Recorder(interrupt_at=3), **SMALL[name])


def test_an_optimizer_that_diverges_is_named(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"^momentum: train_loss became"):
        run_with("optimizers", tmp_path, Recorder(), lr=5.0, optimizers=["momentum", "sgd"])


def test_an_optimizer_is_compared_once() -> None:
    with pytest.raises(ValidationError, match="each optimizer once"):
        PIPELINES["optimizers"].params.model_validate({"optimizers": ["sgd", "sgd"]})
