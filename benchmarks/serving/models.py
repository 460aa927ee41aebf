"""The models that every server serves: one ONNX file each, and rows with their right answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from benchmarks.backends import Quiet
from models.backends import BACKENDS
from models.publishing import Publication, TrainedModel, publish
from models.servable import build
from models.signature import Signature, TensorSpec

INPUT, OUTPUT = "features", "probabilities"
HELD_OUT = 64
CHECKED = 3
"""Rows that each server has to answer rightly before it is timed: more than one, so that a server
which repeats itself is found out."""
DECIMALS = 4
"""Of a number in a request, as of a picture's pixels: 784 of them are 5.4 KB of JSON."""
TOLERANCE = 1e-5
"""Absolute, on probabilities."""

NETS: dict[str, dict[str, Any]] = {
    "mlp": {"inputs": 784, "hidden": [128, 64], "outputs": 10, "dropout": 0.2},
    "tiny": {"inputs": 20, "hidden": [16], "outputs": 3, "dropout": 0.0},
}
TITLES = {"mlp": "MLP 784-128-64-10", "tiny": "tiny MLP 20-16-3"}


@dataclass(frozen=True)
class Model:
    name: str
    inputs: int
    directory: Path
    publication: Publication

    @property
    def file(self) -> Path:
        return self.directory / "model.onnx"

    @cached_property
    def rows(self) -> NDArray[np.float32]:
        """(CHECKED, inputs), of numbers with few decimals; the first one is what is timed."""
        drawn = np.random.default_rng(1).random((CHECKED, self.inputs))
        return drawn.round(DECIMALS).astype(np.float32)

    @cached_property
    def expected(self) -> NDArray[np.float32]:
        """(CHECKED, outputs) by ONNX Runtime in this process."""
        session: Any = onnxruntime.InferenceSession(self.file, providers=["CPUExecutionProvider"])
        return session.run([OUTPUT], {INPUT: self.rows})[0]


def export(name: str, directory: Path) -> Model:
    """Export a net with seeded fresh weights, as a job would: times do not depend on what was
    learned. Only ONNX, because it is what the peers can be given too.

    Raises `RuntimeError` if it is not certified.
    """
    net = NETS[name]
    target = directory / name
    only = {"onnxruntime": BACKENDS["onnxruntime"]}
    publication = publish(_trained(net), target, report=Quiet(), backends=only)
    found = publication.backends["onnxruntime"]
    if found["status"] != "certified":
        raise RuntimeError(f"{name} as ONNX is {found['status']}: {found['reason']}")
    return Model(name, net["inputs"], target, publication)


def _trained(net: dict[str, Any]) -> TrainedModel:
    torch.manual_seed(0)
    inputs, outputs = net["inputs"], net["outputs"]
    servable = build(
        {
            "pre": {"name": "identity"},
            "net": {"name": "mlp", "activation": "relu", **net},
            "post": {"name": "softmax"},
        }
    )
    signature = Signature(
        (TensorSpec(INPUT, "FP32", (-1, inputs)),), (TensorSpec(OUTPUT, "FP32", (-1, outputs)),)
    )
    rows = np.random.default_rng(0).random((HELD_OUT, inputs)).astype(np.float32)
    return TrainedModel(servable.eval(), signature, "multiclass", None, {}, {INPUT: rows})
