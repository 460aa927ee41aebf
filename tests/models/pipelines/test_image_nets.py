"""The nets that images may be told apart by: trained, good enough and certified."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args
from unittest.mock import Mock

import numpy as np
import pytest

from models import supervised
from models.data import Dataset, DatasetInfo
from models.image_nets import ImageNet, ImageNetParams, describe
from models.nets import build_net
from models.pipelines import PIPELINES
from models.publishing import publish
from tests.support.models import RecordingReporter
from tests.support.runs import context, run_pipeline

EPOCHS = {"custom_mlp": 8, "cnn": 12, "residual": 4}
"""As few as are good enough where the rate falls to zero."""


@pytest.mark.long
@pytest.mark.parametrize("net", EPOCHS)
def test_digits_are_told_apart(net: str, tmp_path: Path) -> None:
    params: dict[str, Any] = {"net": net, "epochs": EPOCHS[net], "scheduler": {"name": "cosine"}}
    outcome, _ = run_pipeline("image-classification", tmp_path, **params)
    assert outcome.results["test_accuracy"] >= (0.95 if net == "custom_mlp" else 0.97)
    assert outcome.model is not None
    verdicts = publish(outcome.model, tmp_path / "version", report=RecordingReporter()).backends
    assert {name: entry["status"] for name, entry in verdicts.items()} == dict.fromkeys(
        ("eager", "torchscript", "onnxruntime", "torchexport"), "certified"
    )


def colourful() -> Dataset:
    """Three classes by their brightest channel, 9 pixels high and 13 wide; 33 rows to train."""
    targets = np.arange(45) % 3
    pixels = np.random.default_rng(0).random((45, 3, 9, 13)) / 2
    pixels[np.arange(45), targets] += 0.5
    info = DatasetInfo(
        *("ds_1", "Colours", "images", "uploaded", "multiclass", False, 45, (3, 9, 13)),
        classes=("red", "green", "blue"),
    )
    return Dataset(info, pixels.astype(np.float32), targets, np.arange(33), np.arange(33, 45))


@pytest.mark.parametrize("net", get_args(ImageNet))
def test_colour_images_of_another_size_train(
    net: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a last batch of one row."""
    monkeypatch.setattr(supervised, "load_dataset", Mock(return_value=colourful()))
    pipeline = PIPELINES["image-classification"]
    params = {"net": net, "filters": [8, 8, 8, 8], "optimizer": {"lr": 0.01}, "batch_size": 8}
    outcome = pipeline.run(
        context(tmp_path), pipeline.params.model_validate({"epochs": 10, **params})
    )
    assert outcome.results["test_accuracy"] == 1.0
    assert outcome.model is not None
    assert outcome.model.servable.architecture["net"]["name"] == net


def test_each_net_has_its_own_choices() -> None:
    params = ImageNetParams(hidden=[7], filters=[3, 5], activation="tanh", dropout=0.5)
    found = {
        net: describe(params.model_copy(update={"net": net}), (1, 8, 8), 4)
        for net in get_args(ImageNet)
    }
    common = {"outputs": 4, "dropout": 0.5}
    sides = {"channels": 1, "height": 8, "width": 8}
    assert found == {
        "mlp": {"name": "mlp", "inputs": 64, "hidden": [7], "activation": "tanh", **common},
        "custom_mlp": {"name": "custom_mlp", "inputs": 64, "hidden": [7], **common},
        "cnn": {"name": "cnn", **sides, "filters": [3, 5], "activation": "tanh", **common},
        "residual": {"name": "residual", "channels": 1, "filters": [3, 5], **common},
    }
    for description in found.values():
        build_net(description)
    assert describe(ImageNetParams(net="residual"), (1, 8, 8), 4)["filters"] == [16, 32, 64]
