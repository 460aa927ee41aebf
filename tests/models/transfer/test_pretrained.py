"""ImageNet weights: a file in torchvision's format that the tests make, and no network."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest
import torch
from torchvision.models import ResNet18_Weights
from torchvision.models import resnet18 as torchvision_resnet18

from models.errors import DatasetUnavailable
from models.pipelines import PIPELINES
from models.publishing import publish
from models.transfer import pretrained
from tests.support.models import RecordingReporter
from tests.support.runs import Recorder, context

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    torch.manual_seed(0)
    return torchvision_resnet18(weights=None).state_dict()


def provide(state: State, data_dir: Path) -> Path:
    file = data_dir / pretrained.FOLDER / pretrained.FILE
    file.parent.mkdir(parents=True)
    torch.save(state, file)
    return file


@pytest.mark.long
def test_a_transfer_from_a_provided_file_is_certified(state: State, tmp_path: Path) -> None:
    made = context(tmp_path, dataset="digits-5-9")
    provide(state, made.data_dir)
    pipeline = PIPELINES["transfer-learning"]
    asked = {"base": "resnet18", "image_side": 32, "epochs": 1, "rows_per_class": 4}
    params = pipeline.params.model_validate({**asked, "compare_scratch": False})
    outcome = pipeline.run(made, params)
    assert outcome.model is not None
    assert outcome.results["base"]["source"] == "ImageNet"
    assert outcome.results["trainable_parameters"] == 512 * 5 + 5
    ours = outcome.model.servable.state_dict()
    for name, value in state.items():
        if not name.startswith("fc."):
            assert torch.equal(ours[f"net.base.resnet.{name}"], value), "also its statistics"
    assert ours["pre.mean"].item() == pytest.approx(sum(pretrained.MEAN) / 3)
    outcome.model.heldout = {name: rows[:8] for name, rows in outcome.model.heldout.items()}
    published = publish(outcome.model, tmp_path / "version", report=RecordingReporter())
    assert {entry["status"] for entry in published.backends.values()} == {"certified"}


def test_it_is_torchvisions_net_on_resized_images_of_equal_channels(
    state: State, tmp_path: Path
) -> None:
    provide(state, tmp_path)
    reference = torchvision_resnet18(weights=None)
    reference.load_state_dict(state)
    reference.eval()
    net = pretrained.resnet18(tmp_path, Recorder(), channels=1, side=32).eval()
    grey = torch.rand(2, 1, 32, 32)
    with torch.inference_mode():
        assert torch.equal(net(grey), reference(grey.repeat(1, 3, 1, 1)))
        assert net(torch.rand(2, 1, 8, 9)).shape == (2, 1000)
    mean, std = pretrained.statistics(3)
    assert (tuple(mean.tolist()), len(std)) == (pytest.approx(pretrained.MEAN), 3)


def _without_a_layer(state: State) -> Any:
    return {name: value for name, value in state.items() if name != "layer4.1.bn2.weight"}


@pytest.mark.parametrize(
    "spoiled",
    [
        _without_a_layer,
        lambda state: state | {"fc.weight": state["fc.weight"][:10]},
        lambda state: state | {"conv1.weight": state["conv1.weight"] * float("nan")},
        lambda state: [state["conv1.weight"]],
        lambda state: inspect,  # a pickle that would import something
    ],
    ids=["a layer missing", "other classes", "not finite", "no state dict", "code"],
)
def test_a_file_that_is_not_what_it_says_is_refused(
    state: State, spoiled: Any, tmp_path: Path
) -> None:
    given = spoiled(state)
    file = provide({}, tmp_path)
    if given is inspect:
        file.write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    else:
        torch.save(given, file)
    with pytest.raises(DatasetUnavailable, match="datasets/weights") as error:
        pretrained.resnet18(tmp_path, Recorder(), channels=1, side=32)
    assert str(tmp_path) not in str(error.value)


def test_without_the_file_and_a_network_it_says_how_to_provide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "FETCH", "import sys; sys.exit(1)")
    report = Recorder()
    with pytest.raises(DatasetUnavailable, match=f"{pretrained.FILE} into datasets/weights") as it:
        pretrained.resnet18(tmp_path, report, channels=3, side=32)
    assert it.value.code == "dataset_unavailable"
    assert report.logs == ["downloading ImageNet weights of ResNet-18 (45 MB)"]
    assert list(tmp_path.iterdir()) == []


def test_a_download_is_moved_into_place(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = provide(state, tmp_path / "mirror")
    copy = f"import shutil, sys; shutil.copy({str(mirror)!r}, sys.argv[1])"
    monkeypatch.setattr(pretrained, "FETCH", copy)
    report = Recorder()
    for _ in range(2):
        pretrained.resnet18(tmp_path / "datasets", report, channels=3, side=32)
    assert report.logs[1:] == ["the ImageNet weights are downloaded"]
    assert [path.name for path in (tmp_path / "datasets").iterdir()] == [pretrained.FOLDER]


def test_the_program_that_fetches_is_torchvisions_own() -> None:
    compile(pretrained.FETCH, "fetch", "exec")
    weights = ResNet18_Weights.IMAGENET1K_V1
    assert Path(urlparse(weights.url).path).name == pretrained.FILE
    options = inspect.signature(torch.hub.load_state_dict_from_url).parameters
    assert {"model_dir", "progress", "check_hash"} <= set(options)
