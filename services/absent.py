"""What libraries import that nobody here needs, kept out of the process."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import Any


@contextmanager
def without(module: str) -> Generator[None]:
    """Have the import of `module` fail within the block, unless it has been imported before.

    An entry of None does that: whoever tries takes it for not being there.
    """
    modules: dict[str, Any] = sys.modules  # it may hold None, which its type does not say
    if module in modules:
        yield
        return
    modules[module] = None
    try:
        yield
    finally:
        del modules[module]


@contextmanager
def bare(package: str) -> Generator[Any]:
    """Have modules of `package` imported within the block without the package's own code, unless
    that has run before; afterwards it may still be imported as ever.

    → what stands for the package, to be given what its own modules take from it.
    """
    spec = None if package in sys.modules else find_spec(package)
    if spec is None:
        yield sys.modules.get(package)
        return
    empty = ModuleType(package)
    empty.__path__ = list(spec.submodule_search_locations or ())
    sys.modules[package] = empty
    try:
        yield empty
    finally:
        del sys.modules[package]
