"""What the reader of a kind is asked for and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.base import DataTask
from models.data.uploads.targets import Target
from models.errors import RefusedUpload

MAX_ARRAY_BYTES = 512 << 20
"""Of the inputs as float32: a training holds them more than once."""

LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Asked:
    """What the upload's form says besides the file."""

    target: str | None
    """The column to predict; of a CSV only."""
    task: DataTask | None
    """What to take the target for; None to tell by its values."""


@dataclass(frozen=True)
class Content:
    """Everything that a file says, checked."""

    source: str
    """What the file was, for a person."""
    inputs: NDArray[np.float32]
    target: Target
    target_name: str
    profile: dict[str, Any]
    """What only this kind can say, as JSON."""
    features: tuple[str, ...] | None = None
    lengths: NDArray[np.int64] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one row; a sequence has as many steps as it has."""
        shape = self.inputs.shape[1:]
        return shape if self.lengths is None else (-1, *shape[1:])


def check_size(shape: tuple[int, ...], remedy: str) -> None:
    """Refuse inputs of `shape`, before there is memory for them, where they are too many."""
    elements = 1
    for size in shape:  # exact, where a product of numpy integers would wrap around
        elements *= int(size)
    if elements * 4 > MAX_ARRAY_BYTES:
        raise RefusedUpload(
            f"expected at most {MAX_ARRAY_BYTES >> 20} MiB of numbers as float32, got the shape "
            f"{list(shape)}, which is {elements * 4 >> 20} MiB: {remedy}"
        )
