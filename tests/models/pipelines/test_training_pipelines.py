"""What holds for every pipeline that trains a model, on its defaults."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from models.checkpoints import read_checkpoint
from models.data import BUILTIN
from models.errors import Interrupted, InvalidData
from models.pipelines import PIPELINES
from models.run import Outcome
from models.servable import build
from tests.support.runs import Recorder, context, run_pipeline

TRAINING = [name for name, pipeline in PIPELINES.items() if pipeline.produces_model]
LARGE = {"metric-learning", "segmentation", "sequence-classification", "transfer-learning"}
"""Those whose runs take ten seconds and more."""
EACH = [pytest.param(name, marks=pytest.mark.long) if name in LARGE else name for name in TRAINING]
Ran = tuple[Outcome, Recorder]

SMALL: dict[str, dict[str, Any]] = {
    "sequence-classification": {"width": 8, "layers": 1, "batch_size": 100},
    "segmentation": {"width": 2, "batch_size": 100},
    "transfer-learning": {"rows_per_class": 20, "base_epochs": 1},
}
"""Params for runs whose figures do not matter, of pipelines that take long otherwise."""
SEEDS = {
    "image-classification": 5,
    "segmentation": 0,
    "sequence-classification": 0,
    "transfer-learning": 0,
}
"""How many are tried besides the default one, where not two."""


@pytest.fixture(scope="module", params=EACH)
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    name = request.param
    return name, *run_pipeline(name, tmp_path_factory.mktemp(name))


def servable_answer(outcome: Outcome) -> np.ndarray:
    assert outcome.model is not None
    rows = [torch.from_numpy(value) for value in outcome.model.heldout.values()]
    with torch.inference_mode():
        return outcome.model.servable(*rows).numpy()


def test_results_and_metrics_are_finite_json(ran: tuple[str, Outcome, Recorder]) -> None:
    _, outcome, report = ran
    assert outcome.model is not None
    json.dumps(outcome.results, allow_nan=False)
    json.dumps([outcome.model.metrics, report.history], allow_nan=False)
    assert all(type(value) is float for value in outcome.model.metrics.values())
    assert outcome.model.metrics.items() <= outcome.results.items()


def test_every_epoch_is_told(ran: tuple[str, Outcome, Recorder]) -> None:
    name, outcome, report = ran
    epochs = PIPELINES[name].params().epochs  # type: ignore[attr-defined]
    assert len(report.history) == epochs == outcome.results["epochs"]
    assert report.steps[-1]["epoch"] == epochs
    assert report.steps[-1]["step"] == report.steps[-1]["steps"]


def test_every_plot_has_its_numbers_beside_it(ran: tuple[str, Outcome, Recorder]) -> None:
    _, _, report = ran
    names = set(report.artifacts)
    plots = {name for name in names if name.endswith(".png")} - {"example.png"}  # an image, no plot
    assert len(plots) >= 2
    assert {name.replace(".png", ".json") for name in plots} <= names
    for name, (file, media_type) in report.artifacts.items():
        assert file.name == name
        if media_type == "image/png":
            with Image.open(file) as image:
                assert min(image.size) >= (300 if name in plots else 1)
                assert image.convert("L").getextrema() != (255, 255)
        else:
            assert media_type == "application/json"
            json.loads(file.read_text(), parse_constant=pytest.fail)


def test_what_is_published_is_what_its_signature_says(
    ran: tuple[str, Outcome, Recorder],
) -> None:
    name, outcome, _ = ran
    model, pipeline = outcome.model, PIPELINES[name]
    assert model is not None
    info = BUILTIN[pipeline.datasets[0]]
    (given, *more), (wanted,) = model.signature.inputs, model.signature.outputs
    assert given.row_shape == info.shape
    assert [spec.name for spec in more] == (["lengths"] if info.kind == "sequences" else [])
    rows = model.heldout[given.name]
    assert len(rows) >= 64
    assert given.accepts(rows.shape)
    assert rows.dtype == given.dtype
    answer = servable_answer(outcome)
    assert wanted.accepts(answer.shape)
    assert not model.servable.training
    assert model.task == pipeline.task
    classifies = pipeline.task in ("binary", "multiclass")
    assert model.classes == (list(info.classes or ()) if classifies else None)
    if model.classes:
        assert answer.sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_the_checkpoint_alone_rebuilds_the_model(ran: tuple[str, Outcome, Recorder]) -> None:
    _, outcome, report = ran
    assert outcome.model is not None
    state = read_checkpoint(report.checkpoints[-1].path)
    servable = build(state["about"]["architecture"]).eval()
    servable.load_state_dict(state["model"])
    rows = [torch.from_numpy(value) for value in outcome.model.heldout.values()]
    with torch.inference_mode():
        assert np.array_equal(servable(*rows).numpy(), servable_answer(outcome))
    assert state["about"]["dataset_sha256"] == outcome.lineage["dataset_sha256"]


QUALITY: dict[str, Callable[[dict[str, Any]], bool]] = {
    "linear-regression": lambda results: results["max_abs_weight_error"] <= 0.05,
    "regression": lambda results: results["test_r2"] >= 0.45,
    "tabular-classification": lambda results: results["test_accuracy"] >= 0.94,
    "binary-classification": lambda results: results["test_accuracy"] >= 0.97,
    "image-classification": lambda results: results["test_accuracy"] >= 0.965,
    "sequence-classification": lambda results: results["test_accuracy"] >= 0.95,
    "segmentation": lambda results: results["test_dice"] >= 0.93,
    "metric-learning": lambda results: (
        min(results["test_recall_at_1"], results["test_leave_one_out_recall"]) >= 0.96
    ),
    "transfer-learning": lambda results: results["test_accuracy"] >= 0.96,
}


def test_the_default_run_is_good_enough(ran: tuple[str, Outcome, Recorder]) -> None:
    name, outcome, _ = ran
    assert QUALITY[name](outcome.results), outcome.results


ON_ANY_SEED: dict[str, Callable[[dict[str, Any]], bool]] = QUALITY | {
    "image-classification": lambda results: results["test_accuracy"] >= 0.95
}


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "seed"),
    [(name, seed) for name in TRAINING for seed in range(1, SEEDS.get(name, 2) + 1)],
)
def test_it_is_good_enough_on_any_seed(
    name: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.artifacts.Artifacts.plot", lambda *a: None)  # half of the time
    outcome, _ = run_pipeline(name, tmp_path, seed=seed)
    assert ON_ANY_SEED[name](outcome.results), outcome.results


def final(outcome: Outcome) -> dict[str, torch.Tensor]:
    assert outcome.model is not None
    return outcome.model.servable.state_dict()


@pytest.mark.parametrize("name", EACH)
def test_everything_random_comes_from_the_seed(name: str, tmp_path: Path) -> None:
    finals = []
    for number, seed in enumerate((5, 5, 6)):
        torch.manual_seed(number)  # what happened in the process before must not matter
        small = {"epochs": 2, **SMALL.get(name, {})}
        outcome, _ = run_pipeline(name, tmp_path / str(number), seed=seed, **small)
        finals.append(final(outcome))
    same, other = finals[1], finals[2]
    assert all(torch.equal(value, same[key]) for key, value in finals[0].items())
    assert not all(torch.equal(value, other[key]) for key, value in finals[0].items())


@pytest.mark.parametrize("name", EACH)
def test_interrupted_and_continued_it_ends_as_if_it_had_not_been(name: str, tmp_path: Path) -> None:
    pipeline = PIPELINES[name]
    params = pipeline.params.model_validate(
        {"epochs": 3, "early_stopping": {"patience": 2}, **SMALL.get(name, {})}
    )
    undisturbed = Recorder()
    whole = context(tmp_path / "whole", report=undisturbed, dataset=pipeline.default_dataset)
    expected = pipeline.run(whole, params)
    stopped = Recorder(interrupt_at=undisturbed.steps[-1]["steps"] // 2)
    first = context(tmp_path / "first", report=stopped, dataset=pipeline.default_dataset)
    with pytest.raises(Interrupted):
        pipeline.run(first, params)
    second = context(
        tmp_path / "second",
        dataset=pipeline.default_dataset,
        resume=stopped.checkpoints[-1].path,
    )
    found = pipeline.run(second, params)
    assert found.results == expected.results
    assert all(torch.equal(value, final(expected)[key]) for key, value in final(found).items())


@pytest.mark.parametrize("name", EACH)
def test_validation_rows_are_held_back_where_they_are_needed(name: str, tmp_path: Path) -> None:
    small = {"epochs": 2, **SMALL.get(name, {})}
    outcome, report = run_pipeline(name, tmp_path, scheduler={"name": "plateau"}, **small)
    assert outcome.results["watched"] == "validation_loss"
    assert "validation_loss" in report.history[-1]
    without, report = run_pipeline(name, tmp_path, **small)
    assert without.results["watched"] == "train_loss"
    assert "validation_loss" not in report.history[-1]


@pytest.mark.parametrize("name", TRAINING)
def test_an_unknown_dataset_is_refused(name: str, tmp_path: Path) -> None:
    pipeline = PIPELINES[name]
    for dataset in (None, "cifar"):
        with pytest.raises(InvalidData):
            pipeline.run(context(tmp_path, dataset=dataset), pipeline.params())
