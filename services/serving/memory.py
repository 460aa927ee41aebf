"""The memory that models may take: what is taken of it, and waiting until there is more."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Generator
from contextlib import contextmanager

LIBRARY_MODULES = 100
"""So many new modules are a library, and not a module that was put off until it was needed."""


@contextmanager
def keeping_libraries() -> Generator[None]:
    """Spare the collector a library that was imported in the block, for it stays for good.

    torch brings 150,000 objects. To walk them takes 90 ms, in which no request is answered, and
    would come again and again.
    """
    before = len(sys.modules)
    yield
    if len(sys.modules) - before >= LIBRARY_MODULES:
        gc.collect()
        gc.freeze()


class Memory:
    """Use from one event loop. Bytes are taken before a model is loaded, and given back when it
    has been closed: in between they may be on their way back, while it answers its last requests.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0
        self._leaving_bytes = 0
        self._changed = asyncio.Event()

    def take(self, size: int) -> bool:
        if not self.has(size):
            return False
        self.used_bytes += size
        return True

    def has(self, size: int) -> bool:
        """Whether so many bytes are free now."""
        return self.used_bytes + size <= self.limit_bytes

    def will_have(self, size: int) -> bool:
        """Whether they are free once all that is on its way back has come."""
        return self.used_bytes - self._leaving_bytes + size <= self.limit_bytes

    def leaving(self, size: int) -> None:
        """So many of the bytes that are taken will be given back."""
        self._leaving_bytes += size

    def give_back(self, size: int, *, was_leaving: bool = True) -> None:
        self.used_bytes -= size
        if was_leaving:
            self._leaving_bytes -= size
        self.tell()

    def tell(self) -> None:
        """Have those who wait look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def change(self) -> None:
        await self._changed.wait()
