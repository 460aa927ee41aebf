"""Brings the news of jobs to their webhooks, beside the jobs and never in their way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from services.db.tables import Delivery
from services.deliveries import Deliveries
from services.errors import Unavailable
from services.webhook_sender import WebhookSender

AT_ONCE = 16
"""Deliveries under way in one worker."""
GRACE_S = 2.0
"""How long those under way may take to end when the worker leaves. The rest is tried again."""

log: Any = structlog.get_logger(__name__)


class Courier:
    """Sends what is due, many at once, so that a slow receiver keeps only its own waiting."""

    def __init__(
        self,
        deliveries: Deliveries,
        sender: WebhookSender,
        look_every_s: float,
        *,
        grace_s: float = GRACE_S,
    ) -> None:
        self._deliveries = deliveries
        self._sender = sender
        self._look_every_s = look_every_s
        self._grace_s = grace_s
        self._stopped = False
        self._wake: Callable[[], object] = lambda: None
        self._under_way: dict[asyncio.Task[None], Delivery] = {}

    def run(self) -> None:
        """Work until `stop` is called."""
        asyncio.run(self._work())

    def stop(self) -> None:
        """End `run` soon; from any thread, before it or during it."""
        self._stopped = True
        with contextlib.suppress(RuntimeError):  # its loop is closed already
            self._wake()

    async def _work(self) -> None:
        woken = asyncio.Event()
        self._wake = partial(asyncio.get_running_loop().call_soon_threadsafe, woken.set)
        stop = asyncio.create_task(woken.wait())
        try:
            while not self._stopped:
                await self._begin()
                await asyncio.wait(
                    {stop, *self._under_way},
                    timeout=self._look_every_s,
                    return_when=asyncio.FIRST_COMPLETED,
                )
        finally:
            stop.cancel()
            await self._end()

    async def _begin(self) -> None:
        """Take what is due, as far as there is room."""
        room = AT_ONCE - len(self._under_way)
        if not room:
            return
        try:
            taken = await asyncio.to_thread(
                self._deliveries.take, room, [*self._under_way.values()]
            )
        except Unavailable as error:
            log.warning("webhooks_wait", reason=error.detail)
            return
        for delivery in taken:
            task = asyncio.create_task(self._send(delivery))
            self._under_way[task] = delivery
            task.add_done_callback(self._under_way.pop)

    async def _send(self, delivery: Delivery) -> None:
        try:
            await self._sender.send(delivery)
        except Unavailable as error:
            log.warning("webhook_untold", delivery_id=delivery.id, reason=error.detail)

    async def _end(self) -> None:
        if not self._under_way:
            return
        _, late = await asyncio.wait(self._under_way, timeout=self._grace_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
