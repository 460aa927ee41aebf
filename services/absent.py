"""Libraries that others import only because they happen to be installed."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
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
