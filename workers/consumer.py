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


class WakingPool(TaskPool):
    """Celery's thread pool, but the event loop hears of a slot that has become free.

    Without it the loop notices at its next timer, half a second late on average and at most one
    (Celery 5.7 with `worker_disable_prefetch`).
    """

    _hub: Any = None

    def register_with_event_loop(self, loop: Any) -> None:
        self._hub = loop

    def on_apply(self, *args: Any, **kwargs: Any) -> Any:
        result = super().on_apply(*args, **kwargs)
        result.f.add_done_callback(self._wake)
        return result

    def _wake(self, _ended: Future[Any]) -> None:
        if self._hub is not None:
            self._hub.call_soon(_nothing)


class Consumer:
    """`on_end` is called in its thread when it has ended, whether it was asked to or not."""

    def __init__(self, app: Celery, name: str, on_end: Callable[[], None]) -> None:
        self._worker: Any = WorkController(
            app=app,
            hostname=name,
            without_mingle=True,
            without_gossip=True,
            without_heartbeat=True,
        )
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
