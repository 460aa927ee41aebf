"""The runners that this process keeps in memory: loaded once on demand, least recently used out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import structlog

from models.backends import BACKENDS
from services.errors import Busy, Unavailable
from services.registry import Registry
from services.serving import runners
from services.serving.runners import LoadedRunner
from services.serving.versions import ServedVersion

LOAD_WAIT_S = 30.0
"""How long a request waits for its model before it is told to come again."""
RETRY_FAILED_S = 5.0
"""For so long a file that could not be loaded is not tried again."""

log = structlog.get_logger(__name__)


class Key(NamedTuple):
    name: str
    version: int
    backend: str


class RunnerCache:
    """Use from one event loop; loading happens in a thread of its own, one at a time, because
    importing torch from two threads at once is asking for trouble."""

    def __init__(self, registry: Registry, *, memory_bytes: int, queue_limit_s: float) -> None:
        self._registry = registry
        self._memory_bytes = memory_bytes
        self._queue_limit_s = queue_limit_s
        self._loaded: dict[Key, LoadedRunner] = {}  # the least recently used first
        self._loading: dict[Key, asyncio.Task[LoadedRunner]] = {}
        self._failed: dict[Key, tuple[float, Unavailable]] = {}
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="load")

    def __iter__(self) -> Iterator[Key]:
        return iter(tuple(self._loaded))

    @property
    def used_bytes(self) -> int:
        return sum(runner.size_bytes for runner in self._loaded.values())

    @property
    def is_loading(self) -> bool:
        return bool(self._loading)

    def peek(self, key: Key) -> LoadedRunner | None:
        """The runner if it is loaded, which counts as a use."""
        runner = self._loaded.pop(key, None)
        if runner is not None:
            self._loaded[key] = runner
        return runner

    async def get(self, served: ServedVersion, backend: str) -> LoadedRunner:
        """The runner, loaded if need be, once for however many wait.

        Raises `Unavailable` (`load_failed`, `model_too_large`) and, when loading takes long,
        `Busy` (`model_loading`); it goes on all the same.
        """
        key = Key(served.name, served.version, backend)
        while True:  # what was loaded may be thrown out again before those who waited have run
            runner = self.peek(key)
            if runner is not None:
                return runner
            try:
                # Not wait_for: before Python 3.12 it can swallow a cancellation.
                async with asyncio.timeout(LOAD_WAIT_S):
                    await asyncio.shield(self._load_once(key, served))
            except TimeoutError:
                raise Busy(
                    f"{served.name} version {served.version} is being loaded",
                    code="model_loading",
                    retry_after_s=5.0,
                ) from None

    def _load_once(self, key: Key, served: ServedVersion) -> asyncio.Task[LoadedRunner]:
        task = self._loading.get(key)
        if task is None:
            self._refuse_if_failed(key)
            task = asyncio.create_task(self._load(key, served), name=f"load {key.name}")
            task.add_done_callback(lambda done: self._end(key, done))
            self._loading[key] = task
        return task

    def _refuse_if_failed(self, key: Key) -> None:
        until, why = self._failed.pop(key, (0.0, None))
        if why is not None and time.monotonic() < until:
            self._failed[key] = (until, why)
            raise Unavailable(why.detail, code=why.code)

    def _end(self, key: Key, task: asyncio.Task[LoadedRunner]) -> None:
        del self._loading[key]
        if not task.cancelled():
            task.exception()  # taken, in case that nobody waits for it any more

    async def _load(self, key: Key, served: ServedVersion) -> LoadedRunner:
        try:
            size = self._make_room(key, _size(served, key.backend))
            runner = await asyncio.get_running_loop().run_in_executor(
                self._loader, self._open, key, served, size
            )
        except Exception as error:  # a damaged file makes its library raise anything
            failure = _failure(key, error)
            self._failed[key] = (time.monotonic() + RETRY_FAILED_S, failure)
            log.error("model_not_loaded", **key._asdict(), reason=str(error)[:300])
            raise failure from error
        self._make_room(key, size)  # others may have been loaded meanwhile
        self._loaded[key] = runner
        log.info("model_loaded", **key._asdict(), expected_ms=runner.pace.expected_s(1) * 1e3)
        return runner

    def _open(self, key: Key, served: ServedVersion, size: int) -> LoadedRunner:
        return runners.load(
            key.backend,
            self._registry.directory(served.row),
            served.signature,
            size_bytes=size,
            queue_limit_s=self._queue_limit_s,
        )

    def _make_room(self, key: Key, size: int) -> int:
        if size > self._memory_bytes:
            raise Unavailable(
                f"{key.name} version {key.version} takes {size} bytes by {key.backend}, more than "
                f"the {self._memory_bytes} bytes that models may take",
                code="model_too_large",
            )
        while self.used_bytes + size > self._memory_bytes:
            self.drop(next(iter(self._loaded)))
        return size

    def fits(self, served: ServedVersion, backend: str) -> bool:
        """Whether the runner is in memory, or has room there beside those that are."""
        known = Key(served.name, served.version, backend) in self._loaded
        return known or self.used_bytes + _size(served, backend) <= self._memory_bytes

    def drop(self, key: Key) -> None:
        runner = self._loaded.pop(key, None)
        if runner is not None:
            runner.retire()
            log.info("model_unloaded", **key._asdict())

    async def close(self) -> None:
        for task in tuple(self._loading.values()):
            task.cancel()
        for key in self:
            self.drop(key)
        self._loader.shutdown(wait=False, cancel_futures=True)


def _size(served: ServedVersion, backend: str) -> int:
    wanted = BACKENDS[backend].file
    return next((file["size_bytes"] for file in served.row.files if file["name"] == wanted), 0)


def _failure(key: Key, error: Exception) -> Unavailable:
    if isinstance(error, Unavailable):
        return error
    return Unavailable(
        f"{key.name} version {key.version} cannot be loaded by {key.backend}", code="load_failed"
    )
