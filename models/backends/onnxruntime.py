"""ONNX Runtime. Exporting needs torch; loading and running import neither torch nor onnx."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.backends.base import (
    DEFAULTS,
    Bound,
    Options,
    Runner,
    Tensors,
    closed,
    empty_outputs,
    export_failed,
    need,
)
from models.errors import ExportFailed
from models.files import write_atomically
from models.lazy import lazy
from models.onnx_bound import BoundShapes
from models.rows import row_count, take
from models.signature import Signature
from models.text_runner import with_text

if TYPE_CHECKING:
    import onnx
    import torch

    from models.servable import Servable
else:
    onnx = lazy("onnx")
    torch = lazy("torch")
onnxruntime = lazy("onnxruntime")  # has no types to import for checkers

EXAMPLE_ROWS = 3
"""Neither 0 nor 1, which torch.export takes for constants."""

SPIN_US = "1000"
"""How long idle threads of a session with several wait actively for the next call. The default
burns 41 ms of a core after each one (measured, 1.32), which belong to the event loop and, in a
benchmark, to the next backend; 1 ms answers calls in a row as fast and burns 2 to 5 ms."""

LEVEL, PATTERN = "graph_optimization_level", "memory_pattern"
CHOICES: tuple[Options, ...] = (
    {LEVEL: "enable_extended"},
    {LEVEL: "enable_basic"},
    {PATTERN: False},
    {LEVEL: "disable_all"},
)
"""The default level rewrites convolutions for the processor's vectors, which does not always pay;
a memory pattern is made anew for each batch size that comes."""

NOISY_LOGGERS = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")


class OnnxFile:
    """What backends on an ONNX file have in common: all but how it is made."""

    file: str
    tries: tuple[Options, ...] = CHOICES

    def load(
        self,
        directory: Path,
        signature: Signature,
        *,
        threads: int | None = None,
        options: Options = DEFAULTS,
    ) -> Runner:
        return open_session(need(directory / self.file), signature, threads, options)

    def choices(self, signature: Signature, *, compiled: Path | None = None) -> tuple[Options, ...]:
        return self.tries


class OnnxRuntimeBackend(OnnxFile):
    name = "onnxruntime"
    file = "model.onnx"
    media_type = "application/octet-stream"

    def export(
        self, servable: Servable, example: Tensors, signature: Signature, directory: Path
    ) -> None:
        batch = take(example, 0, EXAMPLE_ROWS)
        try:
            with quiet():
                program: Any = torch.onnx.export(
                    servable.eval(),
                    tuple(torch.from_numpy(batch[spec.name]) for spec in signature.inputs),
                    dynamo=True,
                    dynamic_shapes=(dynamic_shapes(signature),),
                    input_names=[spec.name for spec in signature.inputs],
                    output_names=[spec.name for spec in signature.outputs],
                    external_data=False,
                    verbose=False,
                )
                model = program.model_proto
            forget_sources(model)
            onnx.checker.check_model(model, full_check=True)
        except Exception as error:  # the exporter runs and analyses the model: anything may come
            raise export_failed("conversion to ONNX failed", error) from error
        write_atomically(directory / self.file, model.SerializeToString())


def open_session(file: Path, signature: Signature, threads: int | None, options: Options) -> Runner:
    """What `Backend.load` says, for any ONNX file."""
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    settings.intra_op_num_threads = threads or 0
    settings.add_session_config_entry("session.intra_op.spin_duration_us", SPIN_US)
    level = f"ORT_{options.get(LEVEL, 'enable_all')}".upper()
    settings.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    settings.enable_mem_pattern = options.get(PATTERN, True)
    try:
        session = onnxruntime.InferenceSession(file, settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base but Exception
        raise export_failed(f"{file.name} cannot be read", error) from error
    _check_names(file.name, session, signature)
    return with_text(OnnxRunner(session, signature), signature)


class OnnxRunner:
    def __init__(self, session: Any, signature: Signature) -> None:
        self._run: Callable[..., list[NDArray[Any]]] = _compiled(session).run
        self._signature = signature
        self._input = signature.inputs[0].name
        self._outputs = [spec.name for spec in signature.outputs]
        self._bound = BoundShapes(session, signature)

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        first = inputs[self._input]
        outputs = self._bound.run(first)
        if outputs is not None:
            return outputs
        if row_count(inputs) == 0:
            return empty_outputs(self._signature)
        feed = {name: _aligned(array) for name, array in inputs.items()}
        outputs = dict(zip(self._outputs, self._run(self._outputs, feed, None), strict=True))
        self._bound.learn(first, outputs)
        return outputs

    def bound(self, shape: tuple[int, ...]) -> Bound | None:
        return self._bound.apart(shape)

    def close(self) -> None:
        self._run = closed
        self._bound.close()


def _compiled(session: Any) -> Any:
    """What an `InferenceSession` calls once it has looked in Python at the names in each call: a
    sixth of what a small model takes, and here the signature has seen to them. A version of the
    library that keeps it elsewhere is asked by the front door."""
    return getattr(session, "_sess", session)


def _check_names(file: str, session: Any, signature: Signature) -> None:
    for kind, specs, values in (
        ("inputs", signature.inputs, session.get_inputs()),
        ("outputs", signature.outputs, session.get_outputs()),
    ):
        expected, got = [spec.name for spec in specs], [value.name for value in values]
        if sorted(expected) != sorted(got):
            raise ExportFailed(f"{file} has {kind} {got}, the signature says {expected}")


def _aligned(array: NDArray[Any]) -> NDArray[Any]:
    """ONNX Runtime takes an array's address as it is; a body behind an odd header is unaligned."""
    return array if array.flags.aligned else np.array(array)


def dynamic_shapes(signature: Signature) -> tuple[dict[int, Any], ...]:
    """A name for each dimension that may vary; the batch is one and the same in all inputs."""
    batch = torch.export.Dim("batch", min=0)
    return tuple(
        {0: batch}
        | {
            axis: torch.export.Dim(f"{spec.name}_{axis}")
            for axis, size in enumerate(spec.shape)
            if axis > 0 and size < 0
        }
        for spec in signature.inputs
    )


def forget_sources(model: onnx.ModelProto) -> None:
    """Drop the exporter's notes on every node: stack traces that name this machine's files."""
    for function in model.functions:
        function.ClearField("metadata_props")
        _forget_nodes(function.node)
    _forget_graph(model.graph)


def _forget_graph(graph: onnx.GraphProto) -> None:
    for part in (graph, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    _forget_nodes(graph.node)


def _forget_nodes(nodes: Any) -> None:
    for node in nodes:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
        for attribute in node.attribute:
            if attribute.HasField("g"):  # asked first, because clearing a field of it would make it
                _forget_graph(attribute.g)


@contextmanager
def quiet() -> Generator[None]:
    """Without the exporter's progress notes and its warnings about its own internals: whether the
    conversion is right is for the certificate to say."""
    loggers = [logging.getLogger(name) for name in NOISY_LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
