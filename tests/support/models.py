"""Small models, fake runners and a reporter that remembers, for tests of what serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.publishing import TrainedModel
from models.rows import Tensors
from models.servable import build
from models.signature import LENGTHS, Signature, TensorSpec
from models.torch_runner import TorchRunner

ROWS = 48


def signature(
    rows: tuple[int, ...],
    outputs: int,
    *,
    datatype: str = "FP32",
    names: tuple[str, str] = ("features", "answer"),
) -> Signature:
    """One input of `rows` trailing shape, one output of (n, outputs)."""
    return Signature(
        (TensorSpec(names[0], datatype, (-1, *rows)),),
        (TensorSpec(names[1], "FP32", (-1, outputs)),),
    )


def image_model(datatype: str = "FP32", dropout: float = 0.2) -> TrainedModel:
    """Pictures of 8 by 8, three classes; raw pixels in the range that the datatype asks for."""
    torch.manual_seed(1)
    servable = build(
        {
            "pre": {"name": "normalize", "channels": 1},
            "net": _mlp([16, 8], inputs=64, outputs=3, dropout=dropout),
            "post": {"name": "softmax"},
        }
    )
    servable.pre.set([0.4], [0.3])
    pixels = np.random.default_rng(2).random((ROWS, 1, 8, 8))
    rows = pixels.astype(np.float32) if datatype == "FP32" else (pixels * 255).astype(np.uint8)
    return TrainedModel(
        servable.eval(),
        signature((1, 8, 8), 3, datatype=datatype, names=("images", "probabilities")),
        "multiclass",
        ["circle", "square", "other"],
        {"test_accuracy": 0.5},
        {"images": rows},
    )


def regression_model() -> TrainedModel:
    """Five features far from zero, a target in the hundreds."""
    torch.manual_seed(3)
    servable = build(
        {
            "pre": {"name": "standardize", "size": 5},
            "net": _mlp([16], inputs=5, outputs=1),
            "post": {"name": "destandardize", "size": 1},
        }
    )
    mean, std = [1e3, -5.0, 0.1, 40.0, 7.0], [120.0, 2.0, 0.05, 9.0, 0.0]
    servable.pre.set(mean, std)
    servable.post.set([152.0], [77.0])
    drawn = np.random.default_rng(4).normal(mean, std, (ROWS, 5))
    return TrainedModel(
        servable.eval(),
        signature((5,), 1),
        "regression",
        None,
        {"test_rmse": 3.0},
        {"features": drawn.astype(np.float32)},
    )


def binary_model() -> TrainedModel:
    """Two features, a logit turned into two probabilities."""
    torch.manual_seed(5)
    servable = build(
        {
            "pre": {"name": "identity"},
            "net": _mlp([8], inputs=2, outputs=1),
            "post": {"name": "sigmoid_pair"},
        }
    )
    rows = np.random.default_rng(6).normal(size=(ROWS, 2)).astype(np.float32)
    return TrainedModel(
        servable.eval(), signature((2,), 2), "binary", ["no", "yes"], {}, {"features": rows}
    )


def sequence_model() -> TrainedModel:
    """Steps of two numbers, padded to nine, and how many of them count; two classes."""
    torch.manual_seed(7)
    servable = build(
        {
            "pre": {"name": "standardize", "size": 2},
            "net": {"name": "attention", "inputs": 2, "outputs": 2, "width": 8},
            "post": {"name": "softmax"},
        }
    )
    servable.pre.set([0.5, -3.0], [0.3, 2.0])
    generator = np.random.default_rng(8)
    steps = generator.normal(0, 2, (ROWS, 9, 2)).astype(np.float32)
    inputs = (TensorSpec("input", "FP32", (-1, -1, 2)), TensorSpec(LENGTHS, "INT64", (-1,)))
    return TrainedModel(
        servable.eval(),
        Signature(inputs, (TensorSpec("probabilities", "FP32", (-1, 2)),)),
        "binary",
        ["down", "up"],
        {},
        {"input": steps, LENGTHS: generator.integers(1, 10, ROWS)},
    )


MODELS: dict[str, Callable[[], TrainedModel]] = {
    "image": image_model,
    "uint8 image": lambda: image_model("UINT8"),
    "regression": regression_model,
    "binary": binary_model,
    "sequence": sequence_model,
}


@dataclass(frozen=True)
class Exported:
    """A model and the directory that every backend has exported it into."""

    trained: TrainedModel
    directory: Path

    def expected(self, rows: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return TorchRunner(self.trained.servable, self.trained.signature).run(rows)


class FunctionRunner:
    """A `Runner` that is a function of the first input; remembers whether it was closed."""

    def __init__(
        self,
        function: Callable[[NDArray[Any]], NDArray[Any]],
        *,
        output: str = "answer",
        before: Callable[[], None] = lambda: None,
    ) -> None:
        self._function = function
        self._output = output
        self._before = before
        self.closed = False

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        self._before()
        return {self._output: self._function(next(iter(inputs.values())))}

    def close(self) -> None:
        self.closed = True


@dataclass
class RecordingReporter:
    """A `Reporter` that keeps what it is told."""

    logs: list[tuple[str, str, dict[str, Any]]] = field(
        default_factory=list[tuple[str, str, dict[str, Any]]]
    )

    def progress(
        self, *, epoch: int, epochs: int, step: int, steps: int, samples: int = 0
    ) -> None: ...

    def metrics(self, values: Mapping[str, float], *, epoch: int, step: int) -> None: ...

    def log(self, message: str, *, level: str = "info", **data: Any) -> None:
        self.logs.append((level, message, data))

    def resumed(self, *, exact: bool, differences: Mapping[str, Any]) -> None: ...

    def checkpoint(self, saved: Any) -> None: ...

    def artifact(self, file: Path, *, name: str, title: str, media_type: str) -> None: ...

    def span(self, name: str, **attributes: str | int) -> AbstractContextManager[None]:
        return nullcontext()

    def interrupted(self) -> str | None:
        return None


def _mlp(hidden: list[int], **sizes: Any) -> dict[str, Any]:
    return {"name": "mlp", "hidden": hidden, "activation": "relu", "dropout": 0.0} | sizes
