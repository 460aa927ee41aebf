"""The broker's word that the registry has changed, to processes that poll the database anyway.

A notice says only that there is something to read. One that is lost costs a part of a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from services.lean_redis import AsyncRedis, AsyncRetry, NoBackoff, Redis, RedisError, Retry

CHANNEL = "torchkiln:registry"
SEND_TIMEOUT_S = 0.5
SEND_PAUSE_S = 5.0
"""For so long after a notice that could not be sent none is tried: whoever sends has a request to
answer, and a broker that is gone must not cost each of them the timeout."""
QUIET_S = 15.0
"""How long a listener hears nothing before it makes sure that the broker is still there."""
RECONNECT_S = (0.25, 0.5, 1.0, 2.0, 5.0)
"""Pauses between tries to reach the broker; the last one counts for all that follow."""

log: Any = structlog.get_logger(__name__)


class Notices(Protocol):
    def publish(self) -> None:
        """Tell every listener. Never raises, and never waits for long."""
        ...

    async def listen(self, heard: Callable[[], None]) -> None:
        """Call `heard` for every notice, and when some may have been missed, until cancelled."""
        ...

    def close(self) -> None: ...


class NoNotices:
    """Where there is no broker: the database poll has to do."""

    def publish(self) -> None: ...

    async def listen(self, heard: Callable[[], None]) -> None:
        await asyncio.Event().wait()

    def close(self) -> None: ...


class RedisNotices:
    """Publish and subscribe on the broker that the workers use."""

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self._silent_until = 0.0
        self._redis = Redis.from_url(
            redis_url,
            socket_connect_timeout=SEND_TIMEOUT_S,
            socket_timeout=SEND_TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),  # a pooled connection may be one that the broker closed
        )

    def publish(self) -> None:
        if time.monotonic() < self._silent_until:
            return
        try:
            self._redis.publish(CHANNEL, b"")
        except (RedisError, OSError) as error:
            self._silent_until = time.monotonic() + SEND_PAUSE_S
            log.warning("notice_not_sent", reason=type(error).__name__)

    async def listen(self, heard: Callable[[], None]) -> None:
        failures = 0

        def reached() -> None:
            nonlocal failures
            if failures:
                log.info("notices_heard_again")
            failures = 0
            heard()

        while True:
            try:
                await self._subscribe(reached, heard)
            except (RedisError, OSError) as error:
                if not failures:  # once for each time that it goes away
                    log.warning("notices_not_heard", reason=type(error).__name__)
                pause_s = RECONNECT_S[min(failures, len(RECONNECT_S) - 1)]
                failures += 1
                await asyncio.sleep(pause_s)

    async def _subscribe(self, reached: Callable[[], None], heard: Callable[[], None]) -> None:
        """Hear notices until the connection breaks, which raises."""
        client: Any = AsyncRedis.from_url(
            self._url,
            socket_connect_timeout=2.0,
            socket_timeout=5.0,
            health_check_interval=QUIET_S,
            retry=AsyncRetry(NoBackoff(), 0),  # so that what was missed meanwhile is asked for
        )
        channel = client.pubsub()
        try:
            await channel.subscribe(CHANNEL)
            while True:
                message = await channel.get_message(timeout=QUIET_S)
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    reached()
                elif message["type"] == "message":
                    heard()
        finally:
            await channel.aclose()
            await client.aclose()

    def close(self) -> None:
        self._redis.close()


def notices_of(redis_url: str) -> Notices:
    """By the broker, where a process has one."""
    return RedisNotices(redis_url) if redis_url else NoNotices()
