"""The runners that this process keeps in memory: loaded once on demand, least recently used out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import structlog

from models.backends import EVERY
from models.tuning import Tuner
from services.errors import Busy, Unavailable
from services.registry import Registry
from services.serving import loading
from services.serving.failures import Failures
from services.serving.key import Key
from services.serving.memory import Memory, keeping_libraries
from services.serving.runners import MAX_BATCH_ROWS, LoadedRunner
from services.serving.versions import ServedVersion

LOAD_WAIT_S = 30.0
"""How long a request waits for its model before it is told to come again."""

log = structlog.get_logger(__name__)


class RunnerCache:
    """Use from one event loop; loading happens in a thread of its own, one at a time, because
    importing torch from two threads at once is asking for trouble."""

    def __init__(
        self,
        registry: Registry,
        *,
        memory_bytes: int,
        queue_limit_s: float,
        max_batch_rows: int = MAX_BATCH_ROWS,
        tuner: Tuner = loading.UNTUNED,
    ) -> None:
        self._registry = registry
        self._memory = Memory(memory_bytes)
        self._queue_limit_s = queue_limit_s
        self._max_batch_rows = max_batch_rows
        self._tuner = tuner
        self._loaded: dict[Key, LoadedRunner] = {}  # the least recently used first
        self._sizes: dict[Key, int] = {}
        self._waiting: Counter[Key] = Counter()
        self._loading: dict[Key, asyncio.Task[LoadedRunner]] = {}
        self.failures = Failures()
        self._measuring: set[asyncio.Task[None]] = set()
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._measurer = ThreadPoolExecutor(1, thread_name_prefix="measure")
        self.on_load: Callable[[Key], None] = lambda _: None
        """Called in the event loop when a runner has come into memory."""

    def __iter__(self) -> Iterator[Key]:
        return iter(tuple(self._loaded))

    def __contains__(self, key: object) -> bool:
        """Whether the runner is in memory; to ask is no use of it."""
        return key in self._loaded

    @property
    def used_bytes(self) -> int:
        """Of what is loaded, being loaded, or has left and still answers its last requests."""
        return self._memory.used_bytes

    @property
    def is_loading(self) -> bool:
        return bool(self._loading)

    def loads(self, key: Key) -> bool:
        return key in self._loading

    def peek(self, key: Key) -> LoadedRunner | None:
        """The runner if it is loaded, which counts as a use."""
        runner = self._loaded.pop(key, None)
        if runner is not None:
            self._loaded[key] = runner
        return runner

    def waiting(self) -> dict[Key, int]:
        """Calls that wait or run, by the runner that they are for. Counts as no use."""
        return {key: runner.waiting for key, runner in tuple(self._loaded.items())}

    async def get(
        self,
        served: ServedVersion,
        backend: str,
        *,
        keep: Collection[Key] = (),
        wait_s: float | None = None,
        hurry: bool = False,
    ) -> LoadedRunner:
        """The runner, loaded if need be, once for however many wait. What is in `keep` is not
        thrown out for it; `wait_s` is the caller's patience, if shorter than the service's. In a
        `hurry` the fastest way to run it is looked for while it answers already.

        Raises `Unavailable` (`load_failed`, `model_too_large`) and, when loading takes long,
        `Busy` (`model_loading`); it goes on all the same.
        """
        key = Key(served.name, served.version, backend)
        patience_s = LOAD_WAIT_S if wait_s is None else min(wait_s, LOAD_WAIT_S)
        while True:  # it may be dropped before those who waited have run
            runner = self.peek(key)
            if runner is not None:
                return runner
            # Nobody makes room at the cost of what others wait for: no one would ever get it.
            self._waiting[key] += 1
            try:
                # Not wait_for: before Python 3.12 it can swallow a cancellation.
                async with asyncio.timeout(patience_s):
                    await asyncio.shield(self._load_once(key, served, keep, hurry))
            except TimeoutError:
                raise Busy(
                    f"{served.name} version {served.version} is being loaded",
                    code="model_loading",
                    retry_after_s=5.0,
                ) from None
            finally:
                self._waiting -= Counter((key,))
                self._memory.tell()

    def _load_once(
        self, key: Key, served: ServedVersion, keep: Collection[Key], hurry: bool
    ) -> asyncio.Task[LoadedRunner]:
        task = self._loading.get(key)
        if task is None:
            self.failures.refuse_if_recent(key)
            loading = self._load(key, served, keep, hurry)
            task = asyncio.create_task(loading, name=f"load {key.name}")
            task.add_done_callback(lambda done: self._end(key, done))
            self._loading[key] = task
        return task

    def _end(self, key: Key, task: asyncio.Task[LoadedRunner]) -> None:
        del self._loading[key]
        if not task.cancelled():
            task.exception()  # taken, in case that nobody waits for it any more

    async def _load(
        self, key: Key, served: ServedVersion, keep: Collection[Key], hurry: bool
    ) -> LoadedRunner:
        size = size_of(served, key.backend)
        try:
            await self._make_room(key, size, keep)
            try:
                runner = await asyncio.get_running_loop().run_in_executor(
                    self._loader, self._open, key, served, size, hurry
                )
            except BaseException:
                self._memory.give_back(size, was_leaving=False)
                raise
        except Exception as error:  # a damaged file makes its library raise anything
            raise self.failures.note(key, error) from error
        self.failures.forget(lambda other: other == key)
        self._loaded[key], self._sizes[key] = runner, size
        runner.on_use = partial(self.peek, key)
        log.info("model_loaded", **key._asdict(), expected_ms=runner.pace.expected_s(1) * 1e3)
        self.on_load(key)
        if runner.provisional:
            task = asyncio.create_task(self._measure(key, served, size), name=f"measure {key.name}")
            self._measuring.add(task)
            task.add_done_callback(self._measuring.discard)
        return runner

    async def _measure(self, key: Key, served: ServedVersion, size: int) -> None:
        """Load what was loaded in a hurry again, now the way that is fastest here, and have it take
        over. In a thread of its own: the next load in a hurry does not wait for that."""
        if not self._memory.take(size):
            return
        try:
            runner = await asyncio.get_running_loop().run_in_executor(
                self._measurer, self._open, key, served, size, False
            )
        except BaseException as error:
            self._memory.give_back(size, was_leaving=False)
            if not isinstance(error, Exception):
                raise
            log.warning("model_not_measured", **key._asdict(), reason=str(error)[:300])
            return
        before = self._loaded.get(key)
        if before is not None:
            self._loaded[key] = runner
            runner.on_use = partial(self.peek, key)
        self._retire(before or runner, size)

    def _open(self, key: Key, served: ServedVersion, size: int, hurry: bool) -> LoadedRunner:
        with keeping_libraries():
            return loading.load(
                key.backend,
                self._registry.directory(served.row),
                served.signature,
                size_bytes=size,
                queue_limit_s=self._queue_limit_s,
                max_batch_rows=self._max_batch_rows,
                tuner=self._tuner,
                hurry=hurry,
            )

    async def _make_room(self, key: Key, size: int, keep: Collection[Key]) -> None:
        """Take the bytes, from those who used theirs least recently if need be."""
        if size > self._memory.limit_bytes:
            raise Unavailable(
                f"{key.name} version {key.version} takes {size} bytes by {key.backend}, more than "
                f"the {self._memory.limit_bytes} bytes that models may take",
                code="model_too_large",
            )
        while not self._memory.take(size):
            spared = (other for other in self._loaded if other not in keep)
            oldest = next((other for other in spared if not self._waiting[other]), None)
            if oldest is None or self._memory.will_have(size):
                await self._memory.change()
            else:
                self.drop(oldest)

    def has_room(self, served: ServedVersion, backend: str) -> bool:
        """Whether the runner could be loaded without pushing another one out."""
        return self._memory.has(size_of(served, backend))

    def can_hold(
        self, served: ServedVersion, backends: Iterable[str], *, beside: Iterable[Key]
    ) -> bool:
        """Whether the runners fit into memory if all but `beside` may be pushed out."""
        kept = sum(self._sizes.get(key, 0) for key in beside)
        return kept + sum(size_of(served, name) for name in backends) <= self._memory.limit_bytes

    def drop(self, key: Key) -> None:
        """Close the runner as soon as it has answered those who wait for it."""
        runner = self._loaded.pop(key, None)
        if runner is None:
            return
        self._retire(runner, self._sizes.pop(key))
        log.info("model_unloaded", **key._asdict())

    def _retire(self, runner: LoadedRunner, size: int) -> None:
        self._memory.leaving(size)
        runner.on_use = lambda: None
        runner.on_close = lambda: self._memory.give_back(size)
        runner.retire()

    async def close(self) -> None:
        for task in (*self._loading.values(), *self._measuring):
            task.cancel()
        for key in self:
            self.drop(key)
        self._loader.shutdown(wait=False, cancel_futures=True)
        self._measurer.shutdown(wait=False, cancel_futures=True)


def size_of(served: ServedVersion, backend: str) -> int:
    wanted = EVERY[backend].file
    return next((file["size_bytes"] for file in served.row.files if file["name"] == wanted), 0)
