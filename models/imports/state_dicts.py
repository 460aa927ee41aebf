"""A safetensors state dict to a version: its architecture rebuilt, then what a training does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from models.backends.eager import ARCHITECTURE, EagerBackend
from models.errors import ExportFailed, RefusedModel
from models.files import write_atomically
from models.imports.given import given_signature, inferred_input
from models.imports.reasons import reason
from models.imports.requests import ImportRequest
from models.lazy import lazy
from models.parity import MAX_ROWS
from models.publishing import Publication, TrainedModel, publish
from models.rows import synthetic
from models.run import Level
from models.signature import DATATYPES, Signature, TensorSpec

if TYPE_CHECKING:
    import safetensors.torch as safetensors_torch
    import torch

    import models.servable as servables
    from models.servable import Servable
else:
    safetensors_torch = lazy("safetensors.torch")
    torch = lazy("torch")
    servables = lazy("models.servable")

MAX_NAMED = 8
"""Tensors at fault that a message names."""
CLASSIFYING = ("softmax", "sigmoid_pair")
"""What stands behind a net that answers probabilities."""
TORCH_DATATYPES = ("BOOL", "UINT8", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64")


class Silent:
    """A `Reporter` to nobody: what matters is in the certificates."""

    def progress(
        self, *, epoch: int, epochs: int, step: int, steps: int, samples: int = 0
    ) -> None: ...

    def metrics(self, values: Mapping[str, float], *, epoch: int, step: int) -> None: ...

    def log(self, message: str, *, level: Level = "info", **data: Any) -> None: ...

    def resumed(self, *, exact: bool, differences: Mapping[str, Any]) -> None: ...

    def checkpoint(self, saved: Any) -> None: ...

    def artifact(self, file: Path, *, name: str, title: str, media_type: str) -> None: ...

    def span(self, name: str, **attributes: str | int) -> AbstractContextManager[None]:
        return nullcontext()

    def interrupted(self) -> str | None:
        return None


def import_state_dict(request: ImportRequest) -> tuple[Publication, dict[str, Any]]:
    """→ the publication, its files in the request's directory, and what the certificates were made
    on. Raises `RefusedModel`."""
    architecture = request.architecture or {}
    servable = _built(architecture)
    _load(servable, Path(request.file))
    directory = Path(request.directory)
    # Where `synthetic` looks for the statistics of a model that standardises.
    write_atomically(directory / ARCHITECTURE, json.dumps(architecture).encode())
    write_atomically(directory / EagerBackend.file, Path(request.file).read_bytes())
    signature = _signature(servable, request)
    rows = synthetic(signature, MAX_ROWS, seed=0, directory=directory)
    trained = TrainedModel(servable, signature, request.resolved_task, request.classes, {}, rows)
    try:
        made = publish(trained, directory, report=Silent())
    except ExportFailed as error:
        raise RefusedModel(str(error), "signature") from error
    if not any(found["status"] == "certified" for found in made.backends.values()):
        reasons = "; ".join(f"{name}: {one['reason']}" for name, one in made.backends.items())
        raise RefusedModel(f"no backend can be certified: {reasons}")
    return made, {"certified_on": "made-up rows"}


def _built(architecture: Mapping[str, Any]) -> Servable:
    try:
        return servables.build(architecture).eval()
    except ExportFailed as error:
        raise RefusedModel(str(error), "architecture") from error
    except Exception as error:  # sizes of any kind reach torch's constructors
        raise RefusedModel(
            f"the architecture describes no model: {reason(error)}", "architecture"
        ) from error


def _load(servable: Servable, file: Path) -> None:
    try:
        state = safetensors_torch.load_file(file)
    except Exception as error:  # SafetensorError, and what memory that is not there raises
        raise RefusedModel(
            f"expected a safetensors state dict, got a file that cannot be read: {reason(error)}"
        ) from error
    expected = servable.state_dict()
    problems = [
        *(f"{name}: expected shape {[*expected[name].shape]}, got no such tensor"
          for name in expected if name not in state),
        *(f"{name}: expected no such tensor, got shape {[*state[name].shape]}"
          for name in state if name not in expected),
        *(_mismatch(name, expected[name], state[name]) for name in expected if name in state),
    ]  # fmt: skip
    found = [problem for problem in problems if problem]
    if found:
        more = f"; and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
        raise RefusedModel("; ".join(found[:MAX_NAMED]) + more)
    servable.load_state_dict(state, strict=True)


def _mismatch(name: str, want: Any, got: Any) -> str:
    if want.shape != got.shape:
        return f"{name}: expected shape {[*want.shape]}, got {[*got.shape]}"
    if want.dtype.is_floating_point != got.dtype.is_floating_point:
        return f"{name}: expected {_dtype(want)}, got {_dtype(got)}"
    if got.dtype.is_floating_point and not bool(torch.isfinite(got).all()):
        return f"{name}: expected finite numbers, got NaN or infinity"
    return ""


def _dtype(tensor: Any) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _signature(servable: Servable, request: ImportRequest) -> Signature:
    """The given one, its outputs checked; or the architecture's, its output found by a run."""
    given = given_signature(request.signature, TORCH_DATATYPES)
    inputs = given.inputs if given else (inferred_input(servable.architecture),)
    answers = _run(servable, Signature(inputs, ()))
    if given is None:
        name = "probabilities" if servable.architecture["post"]["name"] in CLASSIFYING else "output"
        return Signature(inputs, tuple(_spec(name, answer) for answer in answers[:1]))
    if len(given.outputs) != len(answers):
        raise RefusedModel(
            f"outputs: expected {len(answers)}, as the architecture gives, "
            f"got {len(given.outputs)}",
            "signature",
        )
    for spec, answer in zip(given.outputs, answers, strict=True):
        if spec.dtype != answer.dtype or not spec.accepts(answer.shape):
            found = _spec(spec.name, answer)
            raise RefusedModel(
                f"outputs.{spec.name}: expected {found.datatype} of shape {list(found.shape)}, "
                f"got {spec.datatype} of shape {list(spec.shape)}",
                "signature",
            )
    return given


def _run(servable: Servable, signature: Signature) -> list[NDArray[Any]]:
    rows = synthetic(signature, 2, seed=0)
    try:
        with torch.inference_mode():
            answers = servable(*[torch.from_numpy(rows[spec.name]) for spec in signature.inputs])
            several = answers if isinstance(answers, tuple) else (answers,)
            return [answer.numpy() for answer in several]
    except Exception as error:  # a net that gets another input than it is for raises anything
        raise RefusedModel(
            f"the model does not run on made-up rows of these inputs: {reason(error)}", "signature"
        ) from error


def _spec(name: str, answer: NDArray[Any]) -> TensorSpec:
    datatype = next((key for key, dtype in DATATYPES.items() if dtype == answer.dtype), "FP32")
    return TensorSpec(name, datatype, (-1, *answer.shape[1:]))
