"""The process that looks into models.

An API process does not import torch; what needs it for one answer is done by a process of its own,
which starts when it is first asked, and ends when it has not been asked for a while, when its
parent ends in whatever way, or when an inspection takes too long.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

import structlog
from setproctitle import setproctitle

from models.inspection import requests
from models.inspection.requests import Inspection
from models.lazy import lazy
from services import logging
from services.errors import Busy, Unavailable

if TYPE_CHECKING:
    import multiprocessing
    from concurrent.futures import process
    from concurrent.futures.process import ProcessPoolExecutor
else:  # most API processes are never asked
    multiprocessing = lazy("multiprocessing")
    process = lazy("concurrent.futures.process")

START_S = 60.0
"""How long importing torch may take, on a host that is busy."""
LIMIT_S = 30.0
"""How long one inspection may take."""
IDLE_S = 300.0
"""So long after the last inspection the process, and the memory it takes, is kept."""
MAX_WAITING = 16
MODULES = ("models.inspection.drawing", "models.inspection.features", "models.inspection.summary")
"""What is imported before the first inspection: most of them need it, and it takes its time."""

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Inspector:
    """Use from one event loop. One inspection runs at a time; the others wait for it."""

    def __init__(
        self,
        *,
        log_level: logging.Level = "info",
        log_format: logging.Format = "json",
        limit_s: float = LIMIT_S,
        idle_s: float = IDLE_S,
        perform: Callable[[Inspection], bytes] = requests.perform,
        modules: tuple[str, ...] = MODULES,
    ) -> None:
        """`perform` is called in the other process, which imports it by its name; `modules` are
        what it imports when it starts."""
        self._logging: tuple[logging.Level, logging.Format] = (log_level, log_format)
        self._limit_s = limit_s
        self._idle_s = idle_s
        self._perform = perform
        self._modules = modules
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._pool: ProcessPoolExecutor | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._closed = False

    async def inspect(self, request: Inspection) -> bytes:
        """What `perform` gives, or raises. Raises `Busy`, and `Unavailable` if the process dies or
        takes longer than its limit: the next request gets a new one."""
        if self._waiting >= MAX_WAITING:
            raise Busy(f"{self._waiting} inspections wait already", retry_after_s=5.0)
        self._waiting += 1
        try:
            async with self._turn:
                return await self._inspect(request)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the process, and what it is doing, for good."""
        self._closed = True
        self._end()

    def _end(self) -> None:
        """End the process; whoever asks next gets a new one."""
        if self._idle is not None:
            self._idle.cancel()
        if self._pool is not None:
            _kill(self._pool)
            self._pool = None

    async def _inspect(self, request: Inspection) -> bytes:
        if self._closed:
            raise Unavailable("the service is stopping")
        if self._idle is not None:
            self._idle.cancel()
        try:
            if self._pool is None:
                self._pool = _new_pool(self._logging)
                await self._call(_warm, self._modules, within_s=START_S)
            return await self._call(self._perform, request, within_s=self._limit_s)
        finally:
            self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._end)

    async def _call(self, function: Callable[[T], bytes], given: T, *, within_s: float) -> bytes:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(within_s):
                return await loop.run_in_executor(self._pool, function, given)
        except TimeoutError:
            self._end()
            log.error("inspection_too_slow", limit_s=within_s)
            raise Unavailable(f"the inspection took longer than {within_s:g} s") from None
        except process.BrokenProcessPool:
            self._end()
            log.error("inspector_died")
            raise Unavailable("the process that inspects models has died; try again") from None


def _new_pool(begin_with: tuple[logging.Level, logging.Format]) -> ProcessPoolExecutor:
    """Spawned, not forked: a copy of this process would hold its sockets and half of its locks."""
    context = multiprocessing.get_context("spawn")
    return process.ProcessPoolExecutor(1, context, initializer=_begin, initargs=begin_with)


def _kill(pool: ProcessPoolExecutor) -> None:
    """What `ProcessPoolExecutor.kill_workers` does from Python 3.14 on."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.kill()


def _begin(log_level: logging.Level, log_format: logging.Format) -> None:
    """In the new process, before anything else."""
    setproctitle("torchkiln: inspector")
    logging.configure("inspector", level=log_level, log_format=log_format)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to a whole group; the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent closes no pool, and the pool's pipe has both of its ends in this process."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(0)


def _warm(modules: tuple[str, ...]) -> bytes:
    for module in modules:
        import_module(module)
    return b""
