"""ONNX Runtime with weights and activations of eight bits: made from the ONNX file, calibrated on
rows of the training data. Only where a job asks for it."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.backends.base import Tensors, export_failed, need
from models.backends.onnxruntime import OnnxFile, OnnxRuntimeBackend, forget_sources, quiet
from models.files import write_atomically
from models.lazy import lazy
from models.rows import row_count
from models.signature import Signature

if TYPE_CHECKING:
    import onnx

    from models.servable import Servable
else:
    onnx = lazy("onnx")
quantization = lazy("onnxruntime.quantization")  # has no types to import for checkers
shape_inference = lazy("onnxruntime.quantization.shape_inference")

QUANTIZED = ["Conv", "Gemm", "MatMul"]
"""Where the time goes; everything else stays as it is."""
BATCH_ROWS = 32


class OnnxRuntimeInt8Backend(OnnxFile):
    name = "onnxruntime-int8"
    file = "model.int8.onnx"
    media_type = "application/octet-stream"

    def export(
        self, servable: Servable, example: Tensors, signature: Signature, directory: Path
    ) -> None:
        """`example` are rows of the training data: their smallest and largest activations are what
        eight bits are spread over. Needs the file of `onnxruntime` in `directory`."""
        source = need(directory / OnnxRuntimeBackend.file)
        try:
            with quiet(), _silent(), tempfile.TemporaryDirectory() as workspace:
                model = _quantized(source, example, Path(workspace))
            forget_sources(model)
            onnx.checker.check_model(model)
        except Exception as error:  # it analyses and runs the model: anything may come
            raise export_failed("quantisation to int8 failed", error) from error
        write_atomically(directory / self.file, model.SerializeToString())


def _quantized(source: Path, rows: Tensors, workspace: Path) -> Any:
    """Static quantisation in QDQ form, signed on both sides and by channel, as ONNX Runtime
    advises for x86-64 and ARM64 alike. Of a weight's eight bits seven are used: processors without
    VNNI add two products in sixteen bits, which would overflow, and the file would answer on one
    host otherwise than on the one that has certified it."""
    prepared, made = workspace / "prepared.onnx", workspace / "made.onnx"
    shape_inference.quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    quantization.quantize_static(
        str(prepared),
        str(made),
        _Calibration(rows),
        quant_format=quantization.QuantFormat.QDQ,
        activation_type=quantization.QuantType.QInt8,
        weight_type=quantization.QuantType.QInt8,
        per_channel=True,
        reduce_range=True,
        op_types_to_quantize=QUANTIZED,
    )
    return onnx.load(made)


class _Calibration:
    """ONNX Runtime's `CalibrationDataReader`, which it takes by its methods."""

    def __init__(self, rows: Tensors) -> None:
        self._batches = self._cut(rows)

    @staticmethod
    def _cut(rows: Tensors) -> Iterator[Tensors]:
        for start in range(0, row_count(rows), BATCH_ROWS):
            yield {name: array[start : start + BATCH_ROWS] for name, array in rows.items()}

    def get_next(self) -> Tensors | None:
        return next(self._batches, None)


class _silent:  # noqa: N801 - used as a function
    """Without what the quantiser tells the root logger, which it would also give a handler."""

    def __enter__(self) -> None:
        self._before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)

    def __exit__(self, *_: object) -> None:
        logging.disable(self._before)
