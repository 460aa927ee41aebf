"""Clients that go away before they have their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from services.serving.batching import Outputs
from services.serving.errors import Abandoned

Gone = Callable[[], Coroutine[Any, Any, None]]
"""Returns when the client that waits for an answer has gone away."""


async def unless(gone: Gone | None, answer: asyncio.Future[Outputs]) -> Outputs:
    """The answer, or `Abandoned` if `gone` returns first."""
    if gone is None:
        return await answer
    watch = asyncio.ensure_future(gone())
    try:
        await asyncio.wait({answer, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise Abandoned
        return answer.result()
    finally:
        watch.cancel()
        answer.cancel()
