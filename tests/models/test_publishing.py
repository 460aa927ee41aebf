from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from models import servable as servables
from models.backends import BACKENDS
from models.errors import ExportFailed
from models.publishing import Publication, TrainedModel, publish
from models.servable import Servable
from models.signature import Signature, TensorSpec
from tests.support.models import (
    MODELS,
    RecordingReporter,
    image_model,
    regression_model,
    signature,
)

FILES = {
    "model.safetensors",
    "architecture.json",
    "model.torchscript.pt",
    "model.scripted.pt",
    "model.onnx",
    "model.pt2",
    "signature.json",
    "card.md",
}


@pytest.fixture
def report() -> RecordingReporter:
    return RecordingReporter()


@pytest.mark.parametrize("model", MODELS)
def test_every_backend_is_certified_on_the_heldout_rows(
    model: str, tmp_path: Path, report: RecordingReporter
) -> None:
    trained = MODELS[model]()
    publication = publish(trained, tmp_path / "version", report=report)
    assert {name: entry["status"] for name, entry in publication.backends.items()} == dict.fromkeys(
        BACKENDS, "certified"
    )
    for name, entry in publication.backends.items():
        assert entry["reason"] is None
        assert entry["parity"]["rows"] == 48
        assert entry["parity"]["argmax_agreement"] == (None if model == "regression" else 1.0)
        assert (entry["parity"]["tolerance"]["abs"] == 0) == (name == "eager")
    assert publication.backends["eager"]["parity"]["max_abs_error"] == 0.0
    scripted = publication.backends["torchscript"]["scripted"]
    assert (scripted["status"], scripted["reason"]) == ("certified", None)
    assert scripted["parity"]["rows"] == 48
    assert [(level, data["backend"]) for level, _, data in report.logs] == [
        ("info", name) for name in BACKENDS
    ]


def test_the_files_are_there_whole_and_described(tmp_path: Path, report: RecordingReporter) -> None:
    trained = image_model()
    publication = publish(trained, tmp_path, report=report)
    assert {file.name for file in publication.files} == FILES
    assert {path.name for path in tmp_path.iterdir()} == FILES
    for file in publication.files:
        content = file.path.read_bytes()
        assert file.size_bytes == len(content)
        assert file.sha256 == hashlib.sha256(content).hexdigest()
        assert "/" in file.media_type
    assert json.loads((tmp_path / "signature.json").read_text()) == trained.signature.to_json()
    card = (tmp_path / "card.md").read_text()
    for part in ("multiclass", "circle, square, other", "test_accuracy", "probabilities"):
        assert part in card
    assert card.count("| certified |") == 5


def test_it_goes_through_json_and_back(tmp_path: Path, report: RecordingReporter) -> None:
    publication = publish(regression_model(), tmp_path, report=report)
    text = json.dumps(publication.to_json(), allow_nan=False)
    assert Publication.from_json(json.loads(text)) == publication


class Branching(nn.Module):
    """Doubles batches of positive first features: tracing takes one branch, exporting none."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if bool(x[0, 0] > 0) else x


def _branching(monkeypatch: pytest.MonkeyPatch) -> TrainedModel:
    def net(_: Any) -> nn.Module:
        return Branching()

    monkeypatch.setattr(servables, "build_net", net)
    servable = Servable(
        nn.Identity(),
        Branching(),
        nn.Identity(),
        {"pre": {"name": "identity"}, "net": {"name": "x"}, "post": {"name": "identity"}},
    )
    rows = np.ones((20, 2), np.float32)
    rows[10:] = -1
    return TrainedModel(servable, signature((2,), 2), "embedding", None, {}, {"features": rows})


def test_one_backends_failure_stops_no_other(
    tmp_path: Path, report: RecordingReporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    publication = publish(_branching(monkeypatch), tmp_path, report=report)
    found = publication.backends
    assert found["eager"]["status"] == "certified"
    assert found["torchscript"]["status"] == "rejected"
    assert found["torchscript"]["parity"]["max_abs_error"] == 1.0
    assert "off by 1" in found["torchscript"]["reason"]
    assert found["torchscript"]["scripted"]["status"] == "certified", "it keeps the branch"
    assert found["onnxruntime"]["status"] == "failed"
    assert found["onnxruntime"]["parity"] is None
    assert "conversion to ONNX failed" in found["onnxruntime"]["reason"]
    assert "model.onnx" not in {file.name for file in publication.files}
    assert found["torchexport"]["status"] == "failed"
    assert found["torchexport"]["reason"].startswith("torch.export failed: ")
    assert [level for level, _, _ in report.logs] == ["info", *["warning"] * 3]
    assert "rejected: batch size" in report.logs[1][1]
    assert "- onnxruntime: conversion" in (tmp_path / "card.md").read_text()


def test_weights_that_are_not_those_trained_reject_eager(
    tmp_path: Path, report: RecordingReporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = image_model()
    honest = trained.servable.state_dict

    def off(*arguments: Any, **options: Any) -> dict[str, torch.Tensor]:
        return {name: tensor + 1e-3 for name, tensor in honest(*arguments, **options).items()}

    monkeypatch.setattr(trained.servable, "state_dict", off)
    publication = publish(trained, tmp_path, report=report, backends={"eager": BACKENDS["eager"]})
    assert publication.backends["eager"]["status"] == "rejected"


def test_an_export_that_does_not_run_is_failed(
    tmp_path: Path, report: RecordingReporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError(f"no kernel for {tmp_path}/model.onnx")

    monkeypatch.setattr("models.backends.onnxruntime.OnnxRunner.run", broken)
    publication = publish(
        image_model(), tmp_path, report=report, backends={"onnxruntime": BACKENDS["onnxruntime"]}
    )
    entry = publication.backends["onnxruntime"]
    assert entry["status"] == "failed"
    assert entry["reason"] == (
        "the exported model does not run: RuntimeError: no kernel for model.onnx"
    )
    assert "model.onnx" not in {file.name for file in publication.files}


def test_tied_weights_are_published(
    tmp_path: Path, report: RecordingReporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.there, self.back = nn.Linear(4, 4), nn.Linear(4, 4)
            self.back.weight = self.there.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.back(self.there(x))

    monkeypatch.setattr(servables, "build_net", lambda _: Tied())
    servable = servables.build(
        {"pre": {"name": "identity"}, "net": {"name": "x"}, "post": {"name": "identity"}}
    )
    rows = np.random.default_rng(0).random((8, 4)).astype(np.float32)
    trained = TrainedModel(
        servable.eval(), signature((4,), 4), "embedding", None, {}, {"features": rows}
    )
    statuses = publish(trained, tmp_path, report=report).backends.values()
    assert {entry["status"] for entry in statuses} == {"certified"}


@pytest.mark.parametrize(
    ("heldout", "message"),
    [
        ({}, "no held-out rows for input 'features'"),
        ({"features": np.zeros((0, 5), np.float32)}, "no held-out rows"),
        ({"features": np.zeros((4, 5))}, "are float64 of shape"),
        ({"features": np.zeros((4, 6), np.float32)}, r"the signature says FP32 of shape \[-1, 5\]"),
    ],
)
def test_heldout_rows_that_do_not_fit_are_refused(
    heldout: dict[str, Any], message: str, tmp_path: Path, report: RecordingReporter
) -> None:
    trained = regression_model()
    trained.heldout = heldout
    with pytest.raises(ExportFailed, match=message):
        publish(trained, tmp_path, report=report)


def test_heldout_inputs_have_equally_many_rows(tmp_path: Path, report: RecordingReporter) -> None:
    trained = regression_model()
    more = TensorSpec("lengths", "INT64", (-1,))
    trained.signature = Signature((*trained.signature.inputs, more), trained.signature.outputs)
    trained.heldout = {**trained.heldout, "lengths": np.ones(3, np.int64)}
    with pytest.raises(ExportFailed, match="differ in their number of rows"):
        publish(trained, tmp_path, report=report)


def test_a_model_left_in_training_mode_is_published_in_eval_mode(
    tmp_path: Path, report: RecordingReporter
) -> None:
    trained = image_model(dropout=0.5)
    trained.servable.train()
    statuses = publish(trained, tmp_path, report=report).backends.values()
    assert {entry["status"] for entry in statuses} == {"certified"}
