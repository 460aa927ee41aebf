"""Celery's consumer in a thread of this process, without what its own command brings along:
signal handlers, logging, a banner, remote control."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from celery import Celery
from celery.concurrency.thread import TaskPool
from celery.worker import WorkController, state

from workers.slots import Slots


class WakingPool(TaskPool):
    """Celery's thread pool, but it counts what is in hand of each queue, and the event loop hears
    of a slot that has become free.

    Without that the loop notices at its next timer, half a second late on average and at most one
    (Celery 5.7 with `worker_disable_prefetch`).
    """

    _hub: Any = None
    slots: Slots
    """Set by the consumer: Celery makes the pool."""

    def register_with_event_loop(self, loop: Any) -> None:
        self._hub = loop

    def on_apply(self, target: Any, args: Any = None, *others: Any, **options: Any) -> Any:
        """`args` are those of `celery.app.trace`: the task's name, its id, the request, …"""
        give_back = self.slots.take(args[2]["delivery_info"]["routing_key"])

        def ended(_: Future[Any]) -> None:
            give_back()
            if self._hub is not None:
                self._hub.call_soon(_nothing)

        result = super().on_apply(target, args, *others, **options)
        result.f.add_done_callback(ended)
        return result


class Consumer:
    """`on_end` is called in its thread when it has ended, whether it was asked to or not."""

    def __init__(self, app: Celery, name: str, slots: Slots, on_end: Callable[[], None]) -> None:
        self._worker: Any = WorkController(
            app=app,
            hostname=name,
            without_mingle=True,
            without_gossip=True,
            without_heartbeat=True,
        )
        self._worker.pool.slots = slots
        self._on_end = on_end
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="consumer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Fetch no more messages, and end when the tasks at hand have ended.

        While the broker is away it looks about once a second whether it should stop.
        """
        state.should_stop = 0
        if self._worker.hub is not None:
            self._worker.hub.call_soon(_nothing)

    @property
    def ended(self) -> bool:
        """Whether it has, and with it every task."""
        return self._ended.is_set()

    def _run(self) -> None:
        try:
            self._worker.start()
        finally:
            self._ended.set()
            self._on_end()


def _nothing() -> None: ...
