"""The port behind which a model runs: export it, load it, run it, close it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from models.errors import ExportFailed
from models.rows import Tensors
from models.signature import Signature

if TYPE_CHECKING:
    from models.servable import Servable


Options = Mapping[str, Any]
"""How to load, besides threads: JSON-ready, in the backend's own words."""

DEFAULTS: Options = MappingProxyType({})


class Runner(Protocol):
    """A loaded model. `run` may be called from several threads at once."""

    def run(self, inputs: Tensors) -> dict[str, np.ndarray[Any, Any]]:
        """Named input arrays, batch first, in the signature's datatypes → named outputs.

        Inputs may be read-only, unaligned or strided; outputs are C-contiguous and the caller's.
        Raises nothing for any batch size from 0 up whose shapes fit the signature.
        """
        ...

    def close(self) -> None:
        """Give the memory back; `run` must not be called again."""
        ...


class Bound(Protocol):
    """A loaded model with memory for its only input and its outputs, of one shape each."""

    inputs: NDArray[Any]
    """C-contiguous, to be written to."""
    outputs: dict[str, NDArray[Any]]
    """C-contiguous, and written over by `compute`."""
    compute: Callable[[], Any]
    """The outputs of the inputs. Raises what the model fails with."""


@runtime_checkable
class Binds(Protocol):
    """A runner that may be told once where inputs and outputs lie, for less work in each run."""

    def bound(self, shape: tuple[int, ...]) -> Bound | None:
        """New memory for inputs of `shape`, good for one thread until `close`; None where the model
        is not run so, or has not been run on that shape yet."""
        ...


class Backend(Protocol):
    """One way to run a model. Implementations are stateless; one instance each in the table."""

    name: str
    """The word that clients use: `eager`, `torchscript`, `onnxruntime`, `torchexport`."""
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
        self,
        directory: Path,
        signature: Signature,
        *,
        threads: int | None = None,
        options: Options = DEFAULTS,
    ) -> Runner:
        """Open what `export` wrote. `threads`: for one call; None leaves it to the library.
        `options`: one of `choices`, or nothing.

        Raises `ExportFailed` if the file is missing or cannot be read.
        """
        ...

    def choices(self, signature: Signature, *, compiled: Path | None = None) -> tuple[Options, ...]:
        """Other options than the default that may be faster on some host, the most promising first.
        They change how soon an answer comes, and nothing else about it.

        `compiled` is where this host may keep code compiled for it, where that was asked for: it
        takes a compiler, and minutes.
        """
        ...


def takes_pictures(signature: Signature) -> bool:
    """Whether an input is a batch of pictures, whose layout in memory may be chosen."""
    return any(len(spec.shape) == 4 for spec in signature.inputs)


def empty_outputs(signature: Signature) -> dict[str, NDArray[Any]]:
    """The answer to zero rows. Runners give it without asking their library, because operators
    differ in what they do with an empty batch (`view(0, -1)` of torch is an error)."""
    return {
        spec.name: np.empty((0, *(max(size, 0) for size in spec.row_shape)), spec.dtype)
        for spec in signature.outputs
    }


def closed(*_: object) -> Any:
    """Stands where a runner's model was after `close`."""
    raise RuntimeError("this runner is closed")


def need(file: Path) -> Path:
    """`file`, if it is there; else `ExportFailed`."""
    if not file.is_file():
        raise ExportFailed(f"{file.name} is missing")
    return file


def export_failed(doing: str, error: Exception) -> ExportFailed:
    """`error` of a library as one line fit for a user: no directories of this machine."""
    lines = str(error).strip().splitlines() or [""]
    line = re.sub(r"(?<![\w.:/])/(?:[^\s/'\"]+/)+", "", lines[0])[:300]
    return ExportFailed(f"{doing}: {type(error).__name__}: {line}".rstrip(": "))
