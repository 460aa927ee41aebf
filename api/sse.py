"""A job's events as a stream that does not end before the job does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from api.schemas.jobs import EventOut
from services.db.tables import Event
from services.errors import Unavailable
from services.events import Events

POLL_S = 0.25
KEEPALIVE_S = 15.0
"""Proxies close connections on which nothing moves for a minute."""


async def stream(
    events: Events, job_id: str, after: int, closing: asyncio.Event
) -> AsyncIterator[bytes]:
    """The events behind `after` as they come, until the one that ends the job, or `closing`.

    The job exists. A database that does not answer for a while only delays what is sent.
    """
    told_at = time.monotonic()
    while not closing.is_set():
        new, last = await _since(events, job_id, after)
        for event in new:
            yield _format(event)
        if last:
            return
        if new:  # there may be more at once
            after, told_at = new[-1].seq, time.monotonic()
            continue
        if time.monotonic() - told_at >= KEEPALIVE_S:
            yield KEEPALIVE_COMMENT
            told_at = time.monotonic()
        await _pause(closing)


async def _since(events: Events, job_id: str, after: int) -> tuple[Sequence[Event], bool]:
    try:
        return await asyncio.to_thread(events.since, job_id, after)
    except Unavailable:
        return [], False


async def _pause(closing: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(POLL_S):
            await closing.wait()
    except TimeoutError:
        return


def _format(event: Event) -> bytes:
    shown = EventOut.show(event)
    return format_sse_event(data_str=shown.model_dump_json(), event=shown.type, id=str(shown.id))
