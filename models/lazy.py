"""Modules imported at first use.

The API validates a job's params against the pipeline tables and serves ONNX models, and must do
both without the half gigabyte and two seconds that `import torch` costs. Modules that an API
process imports therefore bind torch (and what needs it) through `lazy`. When Python 3.15 is the
floor this becomes the `lazy import` statement of PEP 810.
"""

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

ENVIRONMENT = {"onnxruntime": {"ORT_DISABLE_TELEMETRY": "1"}}
"""What libraries read while they are imported, set unless it is set already. ONNX Runtime would
keep a database of its uses in the user's home directory and send it to its maker: that is not ours
to allow, and costs each process a thread and 2.5 MB besides."""


class _LazyModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        package = self.__name__.partition(".")[0]
        if package in ENVIRONMENT and package not in sys.modules:
            for variable, value in ENVIRONMENT[package].items():
                os.environ.setdefault(variable, value)
        return getattr(import_module(self.__name__), name)


def lazy(name: str) -> Any:
    """A stand-in for module `name` that imports it when an attribute is first read.

    Bind it in the `else` of `if TYPE_CHECKING: import …`, so that checkers see the real module.
    """
    return _LazyModule(name)
