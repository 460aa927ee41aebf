"""Variants of fewer bits: made from the ONNX file, and close to the trained model."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from models.backends import BACKENDS, VARIANTS
from models.backends.base import Backend
from models.closeness import certify_close, reference
from models.errors import ExportFailed
from models.rows import take
from models.torch_runner import TorchRunner
from tests.support.models import MODELS, Exported, image_model, sequence_model

pytestmark = pytest.mark.long


@pytest.fixture(scope="module", params=["image", "uint8 image", "regression", "sequence"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    trained, directory = MODELS[request.param](), tmp_path_factory.mktemp("version")
    for backend in (BACKENDS["onnxruntime"], *VARIANTS.values()):
        backend.export(trained.servable, trained.heldout, trained.signature, directory)
    return Exported(trained, directory)


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> Iterator[Backend]:
    assert VARIANTS[request.param].name == request.param
    return VARIANTS[request.param]


def test_they_answer_close_to_the_trained_model_and_not_the_same(
    variant: Backend, made: Exported
) -> None:
    trained = made.trained
    runner = variant.load(made.directory, trained.signature, threads=1)
    answers = reference(TorchRunner(trained.servable, trained.signature), trained.heldout)
    found = certify_close(runner, answers, trained.signature, task="regression")
    assert found.reason is None
    assert 0 < found.relative_rmse < 0.05
    for rows in (0, 1, 7):
        got = runner.run(take(trained.heldout, 0, rows))
        assert {len(array) for array in got.values()} == {rows}
    for options in variant.choices(trained.signature):
        variant.load(made.directory, trained.signature, options=options).close()


def test_weights_have_the_bits_they_are_named_for(made: Exported) -> None:
    types = {
        "onnxruntime-int8": onnx.TensorProto.INT8,
        "onnxruntime-bf16": onnx.TensorProto.BFLOAT16,
    }
    for name, datatype in types.items():
        model = onnx.load(made.directory / VARIANTS[name].file)
        stored = [tensor for tensor in model.graph.initializer if len(tensor.dims) > 1]
        assert stored
        assert any(tensor.data_type == datatype for tensor in stored)
        assert b"/tmp" not in model.SerializeToString()


def test_making_them_says_nothing_and_leaves_logging_alone(
    variant: Backend, made: Exported, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.onnx").write_bytes((made.directory / "model.onnx").read_bytes())
    handlers, disabled = list(logging.root.handlers), logging.root.manager.disable
    trained = made.trained
    variant.export(trained.servable, trained.heldout, trained.signature, tmp_path)
    assert capfd.readouterr() == ("", "")
    assert (logging.root.handlers, logging.root.manager.disable) == (handlers, disabled)
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", variant.file}


def test_without_the_onnx_file_there_is_none(variant: Backend, tmp_path: Path) -> None:
    trained = image_model()
    with pytest.raises(ExportFailed, match=r"^model\.onnx is missing$"):
        variant.export(trained.servable, trained.heldout, trained.signature, tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ExportFailed, match=r"to (int8|bfloat16) failed"):
        variant.export(trained.servable, trained.heldout, trained.signature, tmp_path)
    assert not (tmp_path / variant.file).exists()


def test_sequences_of_other_lengths_than_those_of_the_calibration(tmp_path: Path) -> None:
    trained = sequence_model()
    rows = take(trained.heldout, 0, 3)
    longer = {**rows, "input": np.pad(rows["input"], ((0, 0), (0, 4), (0, 0)))}
    for backend in (BACKENDS["onnxruntime"], *VARIANTS.values()):
        backend.export(trained.servable, trained.heldout, trained.signature, tmp_path)
        runner = backend.load(tmp_path, trained.signature, threads=1)
        pair = runner.run(rows)["probabilities"], runner.run(longer)["probabilities"]
        np.testing.assert_allclose(*pair, atol=0.02)
