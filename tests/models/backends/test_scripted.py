"""TorchScript by scripting: every net of the table, and what it keeps that tracing does not."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.backends.torchscript import ScriptedBackend
from models.errors import ExportFailed
from models.nets import NETS
from models.parity import answer_all, certify
from models.rows import synthetic
from models.servable import build
from models.signature import Signature, TensorSpec
from models.torch_runner import TorchRunner
from models.transforms import POST, PRE

ROOT = Path(__file__).parents[3]
PICTURE = (1, 32, 32)
SEQUENCE = (-1, 3)
CNN: dict[str, Any] = {"name": "cnn", "channels": 1, "height": 32, "width": 32, "outputs": 3}

EXAMPLES: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "linear": ({"inputs": 4, "outputs": 3}, (4,)),
    "mlp": ({"inputs": 4, "outputs": 3, "hidden": [8], "dropout": 0.5, "batch_norm": True}, (4,)),
    "custom_mlp": ({"inputs": 4, "outputs": 3, "hidden": [8], "dropout": 0.5}, (4,)),
    "cnn": ({**CNN, "dropout": 0.5}, PICTURE),
    "residual": ({"channels": 1, "outputs": 3}, PICTURE),
    "attention": ({"inputs": 3, "outputs": 3, "dropout": 0.5}, SEQUENCE),
    "unet": ({"channels": 1, "outputs": 1}, PICTURE),
    "resnet18": ({"channels": 1, "outputs": 3, "side": 32}, PICTURE),
    "transfer": ({"base": CNN, "outputs": 3, "hidden": [8], "unfreeze_layers": 1}, PICTURE),
}
"""Of each net: its options, and the shape of a row."""


def signature(row: tuple[int, ...], outputs: tuple[int, ...] = (3,)) -> Signature:
    inputs = [TensorSpec("input", "FP32", (-1, *row))]
    if row == SEQUENCE:
        inputs.append(TensorSpec("lengths", "INT64", (-1,)))
    return Signature(tuple(inputs), (TensorSpec("output", "FP32", (-1, *outputs)),))


def certified(parts: dict[str, Any], takes: Signature, directory: Path) -> None:
    torch.manual_seed(0)
    servable = build(parts).eval()
    rows = synthetic(takes, 9, seed=1)
    backend = ScriptedBackend()
    backend.export(servable, rows, takes, directory)
    reference = answer_all(TorchRunner(servable, takes), rows)
    runner = backend.load(directory, takes, threads=1)
    assert certify(runner, reference, takes, task="regression").reason is None


@pytest.mark.parametrize("name", NETS)
def test_every_net_says_the_same_scripted(name: str, tmp_path: Path) -> None:
    options, row = EXAMPLES[name]
    outputs = (1, *row[1:]) if name == "unet" else (3,)
    parts = {"pre": {"name": "identity"}, "post": {"name": "identity"}}
    certified({**parts, "net": {"name": name, **options}}, signature(row, outputs), tmp_path)


@pytest.mark.parametrize("part", [*PRE, *POST])
def test_so_does_every_transform(part: str, tmp_path: Path) -> None:
    """A transform before the net, or one behind it."""
    sizes: dict[str, Any] = {"standardize": {"size": 4}, "normalize": {"channels": 1}}
    sizes |= {"destandardize": {"size": 3}}
    own = {"name": part, **sizes.get(part, {})}
    row = (1, 2, 2) if part == "normalize" else (4,)
    outputs = 1 if part == "sigmoid_pair" else 3
    given = 2 if part == "sigmoid_pair" else 3
    parts = {
        "pre": own if part in PRE else {"name": "identity"},
        "net": {"name": "mlp", "inputs": 4, "outputs": outputs},
        "post": own if part in POST else {"name": "identity"},
    }
    certified(parts, signature(row, (given,)), tmp_path)


@pytest.mark.filterwarnings("ignore:.*torch.jit.load.*:FutureWarning")
def test_it_keeps_the_parameters_by_name_and_names_no_machine(tmp_path: Path) -> None:
    takes = signature((4,))
    parts: dict[str, Any] = {"pre": {"name": "standardize", "size": 4}, "post": {"name": "softmax"}}
    servable = build({**parts, "net": {"name": "mlp", "inputs": 4, "outputs": 3}}).eval()
    ScriptedBackend().export(servable, {}, takes, tmp_path)
    content = (tmp_path / "model.scripted.pt").read_bytes()
    module: Any = torch.jit.load(io.BytesIO(content))
    assert {name: value.tolist() for name, value in module.state_dict().items()} == {
        name: value.tolist() for name, value in servable.state_dict().items()
    }
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts_of = [archive.read(name) for name in archive.namelist()]
    assert not any(str(ROOT).encode() in part or b"site-packages" in part for part in parts_of)


class Unscriptable(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return {"identity": x}.get("identity", x) + float(np.float32(1))


def test_what_cannot_be_scripted_says_why(tmp_path: Path) -> None:
    parts = {"pre": {"name": "identity"}, "post": {"name": "identity"}}
    servable = build({**parts, "net": {"name": "mlp", "inputs": 4, "outputs": 3}}).eval()
    servable.net = Unscriptable()
    with pytest.raises(ExportFailed, match="scripting failed: "):
        ScriptedBackend().export(servable, {}, signature((4,)), tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ExportFailed, match="one or two inputs, got 3"):
        servable.with_inputs(3)
