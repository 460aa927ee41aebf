"""`torch.export`: the graph of the model as a program of ATen operators, TorchScript's successor.

It runs as that program, or compiled for the host by AOTInductor, where that was asked for.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.backends.base import (
    DEFAULTS,
    Options,
    Runner,
    Tensors,
    export_failed,
    need,
)
from models.backends.onnxruntime import EXAMPLE_ROWS, dynamic_shapes, quiet
from models.files import write_atomically
from models.lazy import lazy
from models.rows import synthetic, take
from models.signature import Signature

if TYPE_CHECKING:
    import torch
    import torch._inductor as inductor

    import models.torch_runner as torch_runner
    from models.servable import Servable
else:
    torch = lazy("torch")
    inductor = lazy("torch._inductor")
    torch_runner = lazy("models.torch_runner")

SOURCES = ("stack_trace", "nn_module_stack", "source_fn_stack", "from_node", "torch_fn")
"""What the exporter notes on a node for people who debug it: names of this machine's files."""

COMPILERS = ("g++", "clang++", "clang")
PACKAGE = "aot_inductor"


class TorchExportBackend:
    name = "torchexport"
    file = "model.pt2"
    media_type = "application/octet-stream"

    def export(
        self, servable: Servable, example: Tensors, signature: Signature, directory: Path
    ) -> None:
        batch = take(example, 0, EXAMPLE_ROWS)
        try:
            with quiet():
                program: Any = torch.export.export(
                    servable.eval(),
                    _tensors(batch, signature),
                    dynamic_shapes=(dynamic_shapes(signature),),
                )
                _forget_sources(program)
                buffer = io.BytesIO()
                torch.export.save(program, buffer)
        except Exception as error:  # exporting runs and analyses the model: anything may come
            raise export_failed("torch.export failed", error) from error
        write_atomically(directory / self.file, buffer.getvalue())

    def load(
        self,
        directory: Path,
        signature: Signature,
        *,
        threads: int | None = None,
        options: Options = DEFAULTS,
    ) -> Runner:
        """Without the program's own checks of its inputs: they cost more than a small model does,
        and look for what the signature says already."""
        file = need(directory / self.file)
        package: str | None = options.get(PACKAGE)
        try:
            with quiet():
                if package is not None:
                    run: Any = _compiled(file, Path(package), signature)
                else:
                    run = torch.export.load(file).module().forward
        except Exception as error:  # its readers and compilers share no base but Exception
            raise export_failed(f"{self.file} cannot be read", error) from error
        return torch_runner.TorchRunner(run, signature, threads=threads)

    def choices(self, signature: Signature, *, compiled: Path | None = None) -> tuple[Options, ...]:
        able = compiled is not None and any(map(shutil.which, COMPILERS))
        return ({PACKAGE: str(compiled)},) if able else ()


def _compiled(file: Path, package: Path, signature: Signature) -> Any:
    """The model as a library of this host; compiled, for a minute, where it is not there yet."""
    if not package.is_file():
        program: Any = torch.export.load(file)
        program.example_inputs = (
            _tensors(synthetic(signature, EXAMPLE_ROWS, seed=0), signature),
            {},
        )
        package.parent.mkdir(parents=True, exist_ok=True)
        made = package.with_name(f".{package.name}")  # whole under its own name only when it is
        inductor.aoti_compile_and_package(program, package_path=str(made))
        made.replace(package)
    return inductor.aoti_load_package(str(package))


def _tensors(batch: Tensors, signature: Signature) -> tuple[Any, ...]:
    return tuple(torch.from_numpy(batch[spec.name]) for spec in signature.inputs)


def _forget_sources(program: Any) -> None:
    """Drop what names this machine's files, and the held-out rows that it was made with."""
    program.example_inputs = None
    for module in program.graph_module.modules():
        for node in getattr(module, "graph", program.graph).nodes:
            for note in SOURCES:
                node.meta.pop(note, None)
