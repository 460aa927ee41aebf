"""An engine in an event loop of its own, and what tests of its versions ask it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from services.container import Container
from services.serving.engine import Engine
from services.serving.stats import Timing

X = {"input": np.ones((1, 2), np.float32)}


def run(
    container: Container, test: Callable[[Engine], Awaitable[None]], *, memory_bytes: int = 1000
) -> None:
    async def main() -> None:
        engine = Engine(container.registry, memory_bytes=memory_bytes, queue_limit_s=1e6)
        await engine.start()
        try:
            async with asyncio.timeout(30):
                while engine.not_ready() is not None:
                    await asyncio.sleep(0.001)
                await test(engine)
        finally:
            await engine.stop()

    asyncio.run(main())


async def ask(engine: Engine, name: str = "m", ref: str | None = None) -> int:
    """→ the version that answered, by its own answer."""
    served = await engine.resolve(name, ref)
    backend = served.backend_for(None, 1)
    outputs = await engine.run(served, backend, X, 1, Timing())
    engine.stats_of(served, backend).succeeded(Timing(), 1)
    assert outputs["probabilities"].tolist() == [[served.version] * 2]
    return served.version


async def until(done: Callable[[], Any]) -> None:
    while not done():
        await asyncio.sleep(0.001)


def held(engine: Engine) -> set[tuple[int, str]]:
    return {(key.version, key.backend) for key in engine.cache}
