"""The model as it was trained: its architecture rebuilt in Python, its weights from safetensors.

A whole-module pickle is refused on purpose: it runs code when opened and breaks when code moves.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from models.backends.base import (
    DEFAULTS,
    Options,
    Runner,
    Tensors,
    export_failed,
    need,
    takes_pictures,
)
from models.errors import ExportFailed
from models.files import write_atomically
from models.lazy import lazy
from models.signature import Signature

if TYPE_CHECKING:
    import safetensors.torch as safetensors_torch
    import torch

    import models.servable as servables
    import models.torch_runner as torch_runner
    from models.servable import Servable
else:
    safetensors_torch = lazy("safetensors.torch")
    servables = lazy("models.servable")
    torch = lazy("torch")
    torch_runner = lazy("models.torch_runner")

ARCHITECTURE = "architecture.json"

CHANNELS_LAST: Options = {"channels_last": True}
"""Pictures in memory with the channels of a pixel side by side, as convolutions may prefer them."""


class EagerBackend:
    name = "eager"
    file = "model.safetensors"
    media_type = "application/octet-stream"

    def export(
        self, servable: Servable, example: Tensors, signature: Signature, directory: Path
    ) -> None:
        """Writes `architecture.json` beside the weights; needs no example."""
        try:
            # Copies, because safetensors refuses tensors that share memory (tied weights).
            state = {
                name: tensor.detach().cpu().contiguous().clone()
                for name, tensor in servable.state_dict().items()
            }
            weights = safetensors_torch.save(state)
            architecture = json.dumps(servable.architecture, indent=2, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise export_failed("the weights could not be written", error) from error
        write_atomically(directory / ARCHITECTURE, architecture.encode())
        write_atomically(directory / self.file, weights)

    def load(
        self,
        directory: Path,
        signature: Signature,
        *,
        threads: int | None = None,
        options: Options = DEFAULTS,
    ) -> Runner:
        model: Any = rebuild(directory).requires_grad_(False)
        last = bool(options.get("channels_last"))
        if last:
            model = model.to(memory_format=torch.channels_last)
        return torch_runner.TorchRunner(model, signature, threads=threads, channels_last=last)

    def choices(self, signature: Signature, *, compiled: Path | None = None) -> tuple[Options, ...]:
        return (CHANNELS_LAST,) if takes_pictures(signature) else ()


def rebuild(directory: Path) -> Servable:
    """The trained model out of a version's directory, in evaluation mode.

    Raises `ExportFailed` if a file is missing, or the weights do not fit the architecture.
    """
    architecture = _architecture(need(directory / ARCHITECTURE))
    weights = need(directory / EagerBackend.file)
    servable = servables.build(architecture)
    try:
        state = safetensors_torch.load_file(weights)
        servable.load_state_dict(state, strict=True)
    except Exception as error:  # SafetensorError and torch's RuntimeError share no base
        raise export_failed(f"{weights.name} does not fit {ARCHITECTURE}", error) from error
    return servable.eval()


def _architecture(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_bytes())
    except ValueError as error:
        raise export_failed(f"{file.name} is not JSON", error) from error
    if not isinstance(value, dict):
        raise ExportFailed(f"{file.name} is not a JSON object")
    return cast(dict[str, Any], value)
