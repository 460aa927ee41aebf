"""What is looked into, and how it is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.errors import CannotInspect
from models.inspection.hooks import tensors_in
from models.servable import Servable
from models.signature import Signature


@dataclass(frozen=True)
class Subject:
    """A trained model in evaluation mode, with what it takes and gives."""

    model: Servable
    signature: Signature
    classes: Sequence[str] | None = None

    def tensors(self, rows: Mapping[str, NDArray[Any]]) -> list[Tensor]:
        """Named arrays as the model takes them: in the signature's order, and copies."""
        return [torch.from_numpy(np.array(rows[spec.name])) for spec in self.signature.inputs]

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The model's outputs. Raises `CannotInspect` for an input that it fails on."""
        try:
            return tensors_in(self.model(*inputs))
        except Exception as error:  # whatever a net raises for what it cannot compute
            raise CannotInspect(
                "the model could not compute an answer to this input",
                code="inference_failed",
                field="inputs",
            ) from error
