"""ONNX Runtime with weights of bfloat16: half the file, for weights of eight bits of mantissa.

ONNX Runtime 1.32 has no CPU kernel for bfloat16 but of Cast and of what moves data (MatMul, Gemm,
Conv, Add, Relu, … are `NOT_IMPLEMENTED`, whatever the processor can do). So the graph keeps its
weights in bfloat16 and computes in float32: they are widened once, when the file is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.backends.base import Tensors, export_failed, need
from models.backends.onnxruntime import LEVEL, PATTERN, OnnxFile, OnnxRuntimeBackend
from models.files import write_atomically
from models.lazy import lazy
from models.signature import Signature

if TYPE_CHECKING:
    import ml_dtypes
    import onnx
    from onnx import numpy_helper

    from models.servable import Servable
else:
    ml_dtypes, onnx = lazy("ml_dtypes"), lazy("onnx")
    numpy_helper = lazy("onnx.numpy_helper")


class OnnxRuntimeBf16Backend(OnnxFile):
    name = "onnxruntime-bf16"
    file = "model.bf16.onnx"
    media_type = "application/octet-stream"
    tries = ({LEVEL: "enable_extended"}, {PATTERN: False})
    """Without optimisation the weights would be widened in every call."""

    def export(
        self, servable: Servable, example: Tensors, signature: Signature, directory: Path
    ) -> None:
        """Needs the file of `onnxruntime` in `directory`, and no example."""
        source = need(directory / OnnxRuntimeBackend.file)
        try:
            model = onnx.load(source)
            _round_weights(model.graph)
            onnx.checker.check_model(model, full_check=True)
        except Exception as error:  # protobuf's and the checker's share no base
            raise export_failed("conversion to bfloat16 failed", error) from error
        write_atomically(directory / self.file, model.SerializeToString())


def _round_weights(graph: onnx.GraphProto) -> None:
    """Matrices and filters only: biases and statistics are few, and their bits count."""
    casts: list[Any] = []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or len(tensor.dims) < 2:
            continue
        stored = f"{tensor.name}.bf16"
        casts.append(
            onnx.helper.make_node("Cast", [stored], [tensor.name], to=onnx.TensorProto.FLOAT)
        )
        rounded = numpy_helper.to_array(tensor).astype(ml_dtypes.bfloat16)
        tensor.CopyFrom(numpy_helper.from_array(rounded, stored))
    nodes = [*casts, *graph.node]
    graph.ClearField("node")
    graph.node.extend(nodes)
