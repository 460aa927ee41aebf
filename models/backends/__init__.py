"""The table of backends. A new one is a file in this folder and a line here."""

from __future__ import annotations

from models.backends.base import Backend
from models.backends.eager import EagerBackend
from models.backends.onnxruntime import OnnxRuntimeBackend
from models.backends.onnxruntime_bf16 import OnnxRuntimeBf16Backend
from models.backends.onnxruntime_int8 import OnnxRuntimeInt8Backend
from models.backends.torchexport import TorchExportBackend
from models.backends.torchscript import TorchScriptBackend

BACKENDS: dict[str, Backend] = {
    "eager": EagerBackend(),
    "torchscript": TorchScriptBackend(),
    "onnxruntime": OnnxRuntimeBackend(),
    "torchexport": TorchExportBackend(),
}

VARIANTS: dict[str, Backend] = {
    "onnxruntime-int8": OnnxRuntimeInt8Backend(),
    "onnxruntime-bf16": OnnxRuntimeBf16Backend(),
}
"""Of fewer bits than the model was trained with: made where a job asks for them, and answering
where a request asks for them, or the version's owner lets `auto` pick them."""

EVERY: dict[str, Backend] = {**BACKENDS, **VARIANTS}
"""All that may serve a version."""

DEFAULT_ORDER = ("onnxruntime", "torchscript", "eager", "torchexport")
"""Preference where nothing was measured: the order of PERFORMANCE.md's latencies."""
