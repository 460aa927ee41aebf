"""The service as pages ask it: torchkiln's client, in threads beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from torchkiln import Client

T = TypeVar("T")

TIMEOUT_S = 30.0


class Service:
    """One visitor's connection. Calls take their turns, because a client is for one thread.

    They raise the client's errors.
    """

    def __init__(self, url: str, key: str | None, executor: Executor) -> None:
        self._url = url
        self._key = key
        self._executor = executor
        self._client: Client | None = None
        self._turn = asyncio.Lock()

    async def call(self, ask: Callable[[Client], T]) -> T:
        """What `ask` gets from the client."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            return await loop.run_in_executor(self._executor, self._ask, ask)

    async def close(self) -> None:
        async with self._turn:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _ask(self, ask: Callable[[Client], T]) -> T:
        if self._client is None:  # made here, since reading certificates takes a while
            self._client = Client(self._url, self._key, timeout_s=TIMEOUT_S)
        return ask(self._client)
