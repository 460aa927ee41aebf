"""The table of backends. A new one is a file in this folder and a line here."""

from __future__ import annotations

from models.backends.base import Backend
from models.backends.eager import EagerBackend
from models.backends.onnxruntime import OnnxRuntimeBackend
from models.backends.torchscript import TorchScriptBackend

BACKENDS: dict[str, Backend] = {
    "eager": EagerBackend(),
    "torchscript": TorchScriptBackend(),
    "onnxruntime": OnnxRuntimeBackend(),
}

DEFAULT_ORDER = ("onnxruntime", "torchscript", "eager")
"""Preference where nothing was measured: the order of PERFORMANCE.md's latencies."""
