"""Modules imported at first use.

The API validates a job's params against the pipeline tables and serves ONNX models, and must do
both without the half gigabyte and two seconds that `import torch` costs. Modules that an API
process imports therefore bind torch (and what needs it) through `lazy`. When Python 3.15 is the
floor this becomes the `lazy import` statement of PEP 810.
"""

from importlib import import_module
from types import ModuleType
from typing import Any


class _LazyModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


def lazy(name: str) -> Any:
    """A stand-in for module `name` that imports it when an attribute is first read.

    Bind it in the `else` of `if TYPE_CHECKING: import …`, so that checkers see the real module.
    """
    return _LazyModule(name)
