"""The port behind which a model runs: export it, load it, run it, close it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.signature import Signature

if TYPE_CHECKING:
    from models.servable import Servable

Tensors = Mapping[str, NDArray[Any]]


class Runner(Protocol):
    """A loaded model. `run` may be called from several threads at once."""

    def run(self, inputs: Tensors) -> dict[str, np.ndarray[Any, Any]]:
        """Named input arrays, batch first, in the signature's datatypes → named outputs.

        Raises nothing for any batch size from 0 up whose shapes fit the signature.
        """
        ...

    def close(self) -> None:
        """Give the memory back; `run` must not be called again."""
        ...


class Backend(Protocol):
    """One way to run a model. Implementations are stateless; one instance each in the table."""

    name: str
    """The word that clients use: `eager`, `torchscript`, `onnxruntime`."""
    file: str
    """The file that `export` writes, in the version's directory."""
    media_type: str

    def export(
        self, servable: Servable, example: Tensors, signature: Signature, directory: Path
    ) -> None:
        """Write `directory/file`, whole, with a dynamic batch dimension.

        `example` is a few held-out rows. Raises `ExportFailed` with the reason.
        """
        ...

    def load(
        self, directory: Path, signature: Signature, *, threads: int | None = None
    ) -> Runner:
        """Open what `export` wrote. `threads`: for one call; None leaves it to the library.

        Raises `ExportFailed` if the file is missing or cannot be read.
        """
        ...
