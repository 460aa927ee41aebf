"""A base and a new head: what is frozen, what is taken over, and where a job of them goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from models.backends import BACKENDS
from models.checkpoints import read_checkpoint
from models.data import BUILTIN
from models.errors import BaseUnavailable, Interrupted, InvalidData, LayerNotFound
from models.nets import build_net
from models.nets.transfer import layers_in
from models.pipelines import PIPELINES
from models.publishing import Publication, publish
from models.run import Outcome, RunContext
from models.transfer import bases
from tests.support.models import RecordingReporter, regression_model
from tests.support.runs import Recorder, context

PIPELINE = PIPELINES["transfer-learning"]
TINY: dict[str, Any] = {"epochs": 2, "base_epochs": 1, "rows_per_class": 8, "batch_size": 16}
IMAGE: dict[str, Any] = {"channels": 1, "outputs": 3}
BASES: dict[str, tuple[dict[str, Any], int, int]] = {
    "linear": ({"inputs": 64, "outputs": 3}, 0, 64),
    "mlp": ({"inputs": 64, "outputs": 3, "hidden": [8, 4], "batch_norm": True}, 2, 4),
    "custom_mlp": ({"inputs": 64, "outputs": 3, "hidden": [8]}, 1, 8),
    "cnn": ({**IMAGE, "height": 8, "width": 8}, 2, 128),
    "residual": ({**IMAGE, "filters": [16, 32]}, 3, 32),
    "resnet18": ({**IMAGE, "side": 32}, 9, 512),
}
"""Nets to start from: options, layers or blocks before the last one, and features it is given."""


def transferred(name: str, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    base = {"name": name, **BASES[name][0]}
    return build_net({"name": "transfer", "base": base, "outputs": 5, **options})


def rows(name: str) -> torch.Tensor:
    return torch.rand(6, 64) if name == "linear" else torch.rand(6, 1, 8, 8)


@pytest.mark.parametrize("name", BASES)
def test_the_head_takes_the_place_of_the_last_layer(name: str) -> None:
    _, layers, width = BASES[name]
    net = transferred(name)
    assert net.head.layers[1].in_features == width  # type: ignore[union-attr]
    assert len(layers_in(net.base)) == layers  # type: ignore[arg-type]
    assert net.eval()(rows(name)).shape == (6, 5)
    again = build_net({"name": "transfer", "outputs": 2, "base": {**again_of(name)}})
    assert again.eval()(rows(name)).shape == (6, 2), "what was transferred can be a base again"
    assert len(layers_in(again.base)) == layers  # type: ignore[arg-type]


def again_of(name: str) -> dict[str, Any]:
    return {"name": "transfer", "base": {"name": name, **BASES[name][0]}, "outputs": 5}


@pytest.mark.parametrize("unfreeze", [0, 1, 2, 99, None])
def test_only_the_last_layers_learn_and_only_theirs_statistics_move(unfreeze: int | None) -> None:
    net = transferred("residual", unfreeze_layers=unfreeze)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.train()
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.1)
    net(rows("residual")).square().sum().backward()
    optimizer.step()
    moved = {
        name.split(".")[2] if name.startswith("base.blocks") else name.split(".")[1]
        for name, value in net.state_dict().items()
        if not torch.equal(value, before[name])
    }
    blocks = {0: set(), 1: {"1"}, 2: {"0", "1"}}.get(unfreeze or 0, set())
    everything = unfreeze is None or unfreeze > 2
    assert moved == ({"stem", "0", "1", "layers"} if everything else {*blocks, "layers"})


def test_frozen_dropout_drops_nothing_and_an_unfrozen_one_does() -> None:
    torch.manual_seed(0)
    base = {"name": "mlp", "inputs": 4, "outputs": 2, "hidden": [64], "dropout": 0.5}
    for unfreeze, same in ((0, True), (1, False)):
        net = build_net(
            {"name": "transfer", "base": base, "outputs": 2, "unfreeze_layers": unfreeze}
        ).train()
        assert torch.equal(net(torch.ones(1, 4)), net(torch.ones(1, 4))) is same


@pytest.mark.parametrize(
    ("net", "message"),
    [
        ({"name": "unet", "channels": 1}, "ends in a linear layer"),
        ({"name": "mlp", "inputs": 9, "outputs": 2}, r"rows of shape \[1, 28, 28\], got mlp"),
        ({"name": "attention", "inputs": 3, "outputs": 2}, "got attention"),
    ],
)
def test_a_net_that_is_no_base_is_refused(net: dict[str, Any], message: str) -> None:
    parts = bases.architecture({"name": "identity"}, net, {"outputs": 5})
    with pytest.raises(InvalidData, match=message):
        bases.check(parts, BUILTIN["digits-5-9"])


def run(made: RunContext, **params: Any) -> Outcome:
    return PIPELINE.run(made, PIPELINE.params.model_validate(TINY | params))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Publication, Path]:
    """Digits 0 to 4 by image-classification, published: what its files are."""
    directory = tmp_path_factory.mktemp("story")
    teacher = PIPELINES["image-classification"]
    params = teacher.params.model_validate({"epochs": 3})
    trained = teacher.run(context(directory, dataset="digits-0-4"), params)
    assert trained.model is not None
    version = directory / "version"
    eager = {"eager": BACKENDS["eager"]}
    made = publish(trained.model, version, report=RecordingReporter(), backends=eager)
    return trained, made, version


def based(directory: Path, base: Path, **options: Any) -> RunContext:
    made = context(directory, dataset="digits-5-9", **options)
    return RunContext(**{**vars(made), "base": base})


@pytest.mark.long
def test_from_a_version_to_a_certified_one(
    story: tuple[Outcome, Publication, Path], tmp_path: Path
) -> None:
    trained, _, version = story
    report = Recorder()
    outcome = run(
        based(tmp_path, version, report=report),
        base="teacher@1",
        epochs=12,
        rows_per_class=None,
        hidden=[16],
    )
    assert trained.model is not None
    assert outcome.model is not None
    results = outcome.results
    assert results["base"] == {"source": "teacher@1", "test_accuracy": None}
    assert outcome.lineage["base"] == "teacher@1"
    assert results["test_accuracy"] >= 0.8
    assert results["scratch"]["test_accuracy"] >= 0.9
    assert results["trainable_parameters"] < results["scratch"]["trainable_parameters"]
    assert results["scratch"]["trainable_parameters"] == results["parameters"]
    ours, theirs = outcome.model.servable.state_dict(), trained.model.servable.state_dict()
    kept = {name: value for name, value in ours.items() if name.startswith("net.base.")}
    assert kept
    for name, value in kept.items():
        assert torch.equal(value, theirs[name.replace("net.base.", "net.")])
    assert torch.equal(ours["pre.mean"], theirs["pre.mean"])
    curves = json.loads(report.artifacts["curves.json"][0].read_text())
    assert curves["Test accuracy"]["transfer"] == [one["test_accuracy"] for one in report.history]
    assert len(curves["Test accuracy"]["from scratch"]) == 12
    published = publish(outcome.model, tmp_path / "version", report=RecordingReporter())
    assert {entry["status"] for entry in published.backends.values()} == {"certified"}
    assert published.backends["torchscript"]["scripted"]["status"] == "certified"
    checkpoint = next(file for file in published.files if file.name == "checkpoint.pt")
    state = read_checkpoint(checkpoint.path, digest=checkpoint.sha256)
    assert state["about"]["phase"] == "transfer"
    second = tmp_path / "second"
    resumed = based(second, version, resume=checkpoint.path)
    more = run(resumed, base="teacher@1", epochs=13, rows_per_class=None, hidden=[16])
    assert more.results["epochs"] == 13, "the version's checkpoint is one to go on from"


def test_a_base_that_does_not_fit_or_is_gone(
    story: tuple[Outcome, Publication, Path], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    eager = {"eager": BACKENDS["eager"]}
    publish(regression_model(), other, report=RecordingReporter(), backends=eager)
    with pytest.raises(InvalidData, match=r"rows of shape \[1, 28, 28\].*got tabular@2 for \[5\]"):
        run(based(tmp_path, other), base="tabular@2")
    (other / "model.safetensors").unlink()
    for gone in (other, tmp_path / "nowhere"):
        with pytest.raises(BaseUnavailable, match="the files of tabular@2 cannot be read") as error:
            run(based(tmp_path, gone), base="tabular@2")
        assert str(tmp_path) not in str(error.value)
    with pytest.raises(BaseUnavailable, match="teacher@1"):
        run(context(tmp_path, dataset="digits-5-9"), base="teacher@1")
    with pytest.raises(LayerNotFound, match="nothing"):
        run(based(tmp_path, story[2]), base="teacher@1", feature_layer="nothing")


@pytest.mark.long
def test_feature_maps_are_what_the_layer_gives(tmp_path: Path) -> None:
    for layer, shape in ((None, [16, 28, 28]), ("net.base", [1568]), ("net.base.layers", [1568])):
        report = Recorder()
        made = context(tmp_path / str(layer), report=report, dataset="digits-5-9")
        outcome = run(made, compare_scratch=False, feature_layer=layer)
        found = json.loads(report.artifacts["feature-maps.json"][0].read_text())
        assert found["shape"] == shape
        assert found["layer"] == (layer or "net.base.layers.conv1")
        assert outcome.model is not None
        servable = outcome.model.servable
        inputs = torch.from_numpy(outcome.model.heldout["input"][:1])
        with torch.inference_mode():
            prepared = servable.pre(inputs)
            module = servable.get_submodule(found["layer"])
            expected = module(prepared)[0]
        assert torch.allclose(torch.tensor(found["maps"]), expected, atol=1e-5)
        assert "scratch" not in outcome.results


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A run that nothing disturbs."""
    return run(context(tmp_path_factory.mktemp("whole"), dataset="digits-5-9"))


@pytest.mark.long
@pytest.mark.parametrize("phase", ["base", "scratch", "transfer"])
def test_it_goes_on_in_the_training_that_it_was_stopped_in(
    phase: str, whole: Outcome, tmp_path: Path
) -> None:
    reports = {name: Recorder() for name in ("first", "second")}
    # The base takes 46 steps of 16 rows, each of the others twice 3.
    reports["first"].interrupt_at = {"base": 20, "scratch": 49, "transfer": 55}[phase]
    with pytest.raises(Interrupted):
        run(context(tmp_path / "first", report=reports["first"], dataset="digits-5-9"))
    stopped = reports["first"].checkpoints[-1]
    assert read_checkpoint(stopped.path)["about"]["phase"] == phase
    steps = [saved.step for saved in reports["first"].checkpoints]
    assert steps == sorted(steps), "the latest has the highest number"
    found = run(
        context(
            tmp_path / "second",
            report=reports["second"],
            dataset="digits-5-9",
            resume=stopped.path,
        )
    )
    assert found.results == whole.results
    assert found.model is not None
    assert whole.model is not None
    expected = whole.model.servable.state_dict()
    assert all(
        torch.equal(value, expected[name])
        for name, value in found.model.servable.state_dict().items()
    )


def test_a_checkpoint_of_other_trainings_is_refused(tmp_path: Path) -> None:
    stopped = Recorder(interrupt_at=20)
    with pytest.raises(Interrupted):
        run(context(tmp_path, report=stopped, dataset="digits-5-9"))
    resumed = based(tmp_path, tmp_path, resume=stopped.checkpoints[-1].path)
    with pytest.raises(InvalidData, match="ask for other trainings"):
        run(resumed, base="teacher@1")
