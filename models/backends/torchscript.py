"""TorchScript: by tracing, which is served, and by scripting, which is for taking along.

Deprecated in torch (2.14 warns, and works), kept as users' backend.
"""

from __future__ import annotations

import io
import threading
import warnings
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.backends.base import (
    DEFAULTS,
    Options,
    Runner,
    Tensors,
    export_failed,
    need,
    takes_pictures,
)
from models.files import write_atomically
from models.lazy import lazy
from models.rows import take
from models.signature import Signature

if TYPE_CHECKING:
    import torch

    import models.torch_runner as torch_runner
    from models.servable import Servable
else:
    torch = lazy("torch")
    torch_runner = lazy("models.torch_runner")

TRACED_ROWS, CHECKED_ROWS = 3, 5
"""Rows of the traced example and of the check: a trace that froze its batch size fails here."""

_filters = threading.Lock()


class TorchScriptBackend:
    name = "torchscript"
    file = "model.torchscript.pt"
    media_type = "application/octet-stream"

    def export(
        self, servable: Servable, example: Tensors, signature: Signature, directory: Path
    ) -> None:
        try:
            with _quiet(), torch.no_grad():
                traced: Any = torch.jit.trace(
                    servable.eval(),
                    _tensors(example, signature, TRACED_ROWS),
                    check_inputs=[_tensors(example, signature, CHECKED_ROWS)],
                )
                buffer = io.BytesIO()
                torch.jit.save(torch.jit.freeze(traced), buffer)
        except Exception as error:  # tracing runs the model: anything may come
            raise export_failed("tracing failed", error) from error
        write_atomically(directory / self.file, _without_sources(buffer))

    def load(
        self,
        directory: Path,
        signature: Signature,
        *,
        threads: int | None = None,
        options: Options = DEFAULTS,
    ) -> Runner:
        """Optimised on loading, not before saving: the result depends on the host's CPU."""
        file = need(directory / self.file)
        last = bool(options.get("channels_last"))
        try:
            with _quiet():
                module: Any = torch.jit.load(file, map_location="cpu")
                if options.get("optimize", True):
                    module = torch.jit.optimize_for_inference(module)
        except Exception as error:  # RuntimeError, ValueError, zip and pickle errors
            raise export_failed(f"{self.file} cannot be read", error) from error
        return torch_runner.TorchRunner(module, signature, threads=threads, channels_last=last)

    def choices(self, signature: Signature, *, compiled: Path | None = None) -> tuple[Options, ...]:
        """The frozen graph as it was saved; weights of a frozen graph are constants, so that only
        the input can be laid out anew."""
        last = ({"optimize": False, "channels_last": True},) if takes_pictures(signature) else ()
        return ({"optimize": False}, *last)


class ScriptedBackend:
    """What the code says instead of what one run of it did: branches and loops are kept, and so are
    the parameters under their names, which tracing freezes into constants. In no table, because the
    traced file is the one that is served; a version has both, and a certificate of each.
    """

    name = "torchscript by scripting"
    file = "model.scripted.pt"
    media_type = "application/octet-stream"

    def export(
        self, servable: Servable, example: Tensors, signature: Signature, directory: Path
    ) -> None:
        """Compiles the source of the modules; needs no example."""
        module = servable.eval().with_inputs(len(signature.inputs)).eval()
        try:
            with _quiet():
                buffer = io.BytesIO()
                torch.jit.save(torch.jit.script(module), buffer)
        except Exception as error:  # the compiler reads any module's source: anything may come
            raise export_failed("scripting failed", error) from error
        write_atomically(directory / self.file, _without_sources(buffer))

    def load(
        self,
        directory: Path,
        signature: Signature,
        *,
        threads: int | None = None,
        options: Options = DEFAULTS,
    ) -> Runner:
        file = need(directory / self.file)
        try:
            with _quiet():
                module: Any = torch.jit.load(file, map_location="cpu")
        except Exception as error:  # as above
            raise export_failed(f"{self.file} cannot be read", error) from error
        return torch_runner.TorchRunner(module, signature, threads=threads)

    def choices(self, signature: Signature, *, compiled: Path | None = None) -> tuple[Options, ...]:
        return ()


@contextmanager
def _quiet() -> Generator[None]:
    """Without FutureWarning (every torch.jit call has one; keeping this backend is decided) and
    TracerWarning (whether a trace generalises is for its certificate to say).

    The lock keeps loads in several threads from restoring each other's filters.
    """
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        tracing = torch.jit.TracerWarning  # pyright: ignore[reportPrivateImportUsage] - it is public
        warnings.simplefilter("ignore", tracing)
        yield


def _tensors(example: Tensors, signature: Signature, rows: int) -> tuple[Any, ...]:
    batch = take(example, 0, rows)
    return tuple(torch.from_numpy(batch[spec.name]) for spec in signature.inputs)


def _without_sources(archive: io.BytesIO) -> bytes:
    """The archive without `*.debug_pkl`, which name the source files of the training machine.

    Tensors stay stored, not deflated, as torch's reader wants them.
    """
    slim = io.BytesIO()
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(slim, "w") as target:
        for entry in source.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                target.writestr(entry, source.read(entry))
    return slim.getvalue()
