"""What is missing, corrupt or cannot be exported is said clearly and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from models.backends import BACKENDS
from models.backends.base import Backend, export_failed
from models.errors import ExportFailed
from tests.support.models import Exported, image_model, signature


@pytest.mark.parametrize("content", [b"", b"not a model", "half", "flipped"])
def test_a_corrupt_file_is_a_clear_failure_without_a_path(
    backend: Backend, image: Exported, tmp_path: Path, content: bytes | str
) -> None:
    for file in image.directory.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    whole = (image.directory / backend.file).read_bytes()
    damaged = {"half": whole[: len(whole) // 2], "flipped": whole[::-1]}
    (tmp_path / backend.file).write_bytes(damaged[content] if isinstance(content, str) else content)
    with pytest.raises(ExportFailed, match=backend.file) as failure:
        backend.load(tmp_path, image.trained.signature)
    assert str(tmp_path) not in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_missing_file_is_named(backend: Backend, image: Exported, tmp_path: Path) -> None:
    (tmp_path / "architecture.json").write_bytes(
        (image.directory / "architecture.json").read_bytes()
    )
    with pytest.raises(ExportFailed, match=f"^{backend.file} is missing$"):
        backend.load(tmp_path, image.trained.signature)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b"{}", "no 'pre'"),
        (
            b'{"pre":{"name":"identity"},"net":{"name":"linear","inputs":64,"outputs":3},'
            b'"post":{"name":"softmax"}}',
            "does not fit",
        ),
    ],
)
def test_eager_refuses_an_architecture_that_is_not_one(
    image: Exported, tmp_path: Path, content: bytes, reason: str
) -> None:
    eager = BACKENDS["eager"]
    (tmp_path / eager.file).write_bytes((image.directory / eager.file).read_bytes())
    (tmp_path / "architecture.json").write_bytes(content)
    with pytest.raises(ExportFailed, match=reason):
        eager.load(tmp_path, image.trained.signature)


def test_another_models_onnx_file_is_refused(image: Exported) -> None:
    specs = signature((1, 8, 8), 3, names=("images", "scores"))
    with pytest.raises(ExportFailed, match=r"has outputs \['probabilities'\], the signature says"):
        BACKENDS["onnxruntime"].load(image.directory, specs)


def test_a_failed_export_leaves_no_file(backend: Backend, tmp_path: Path) -> None:
    trained = image_model()
    trained.servable.net.forward = _raise  # also what tracing and exporting call
    if backend.name == "eager":
        trained.servable.architecture["net"]["dropout"] = float("nan")
    with pytest.raises(ExportFailed):
        backend.export(trained.servable, trained.heldout, trained.signature, tmp_path)
    assert list(tmp_path.iterdir()) == []


def _raise(*_: Any) -> torch.Tensor:
    raise RuntimeError("no such kernel in /opt/secret/kernels.so")


def test_libraries_reasons_are_one_line_without_directories() -> None:
    error = ValueError(
        "cannot open /home/someone/var/x/model.onnx: see https://onnx.ai/x\nTraceback"
    )
    reason = str(export_failed("model.onnx cannot be read", error))
    assert reason == (
        "model.onnx cannot be read: ValueError: cannot open model.onnx: see https://onnx.ai/x"
    )
