"""What keeps an API process small: its garbage collector and the C library's heap."""

from __future__ import annotations

import asyncio
import ctypes
import gc
from contextlib import suppress

YOUNG_OBJECTS = 2_000
"""Requests by HTTP leave no circles behind, so that little would be gained by a look at every 700
new objects, Python's own number; calls by gRPC do, 3 MB of them until there are 20,000."""
M_ARENA_MAX = -8
"""As in `malloc.h`, see mallopt(3)."""
GIVE_BACK_S = 15.0


def share_heap() -> None:
    """glibc gives threads heaps of their own, which keep what gRPC's calls once took. The event
    loop does nearly all of the work here, so that the others can as well have a part of its heap.
    """
    with suppress(AttributeError):  # another C library has none of this
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def settle_collector() -> None:
    """What was made until now lives as long as the process: never look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)


async def give_back(every_s: float = GIVE_BACK_S) -> None:
    """Return to the system what a load has left in the heap, now and then, until cancelled. It
    takes 0.1 ms, and 0.01 where nothing is left (`malloc_trim(3)`)."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except AttributeError:
        return
    while True:
        await asyncio.sleep(every_s)
        trim(0)
