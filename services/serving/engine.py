"""The engine: which version and backend answers a request, and the answer.

One instance a process, used from its event loop. It asks the database in the background only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import structlog

from models.backends.base import Tensors
from models.rows import effort
from services.errors import Conflict, NotFound, ServiceError
from services.registry import Registry
from services.serving.cache import Key, RunnerCache
from services.serving.runners import Gone, Outputs
from services.serving.stats import PredictionStats, Timing
from services.serving.versions import ServedVersion
from services.serving.watch import RegistryWatch

log = structlog.get_logger(__name__)


class Engine:
    def __init__(self, registry: Registry, *, memory_bytes: int, queue_limit_s: float) -> None:
        self.watch = RegistryWatch(registry)
        self.cache = RunnerCache(registry, memory_bytes=memory_bytes, queue_limit_s=queue_limit_s)
        self.stats: dict[Key, PredictionStats] = {}
        self._unloaded: set[str] = set()
        self._news = asyncio.Event()
        self._warming: asyncio.Task[None] | None = None
        self._warm = False
        self.watch.changed = self._follow_change

    async def start(self) -> None:
        self._warming = asyncio.create_task(self._warm_champions(), name="warm champions")
        self.watch.start()

    async def stop(self) -> None:
        await self.watch.stop()
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.wait({self._warming})
        await self.cache.close()

    def not_ready(self) -> str | None:
        """Why this process should get no traffic yet; None when it should."""
        if not self.watch.is_known:
            return "the registry has not been read yet"
        if not self._warm:
            return "the default versions of the models are being loaded"
        return None

    async def resolve(self, name: str, ref: str | None = None) -> ServedVersion:
        """The version that answers. Raises `NotFound`, and `Conflict` if it was unloaded."""
        served = self.watch.find(name, ref) or await self.watch.locate(name, ref)
        if name in self._unloaded:
            raise Conflict(f"the model {name} was unloaded", code="model_unloaded")
        return served

    async def run(
        self,
        served: ServedVersion,
        backend: str,
        inputs: Tensors,
        rows: int,
        timing: Timing,
        gone: Gone | None = None,
    ) -> Outputs:
        """`inputs` fit the version's signature; `backend` is one that may answer.

        Raises `Busy`, `Unavailable`, `Invalid`, `Abandoned` as the cache and the runner do.
        """
        key = Key(served.name, served.version, backend)
        runner = self.cache.peek(key) or await self.cache.get(served, backend)
        if served.takes_sequences:
            rows = effort(inputs, rows)
        return await runner.run(inputs, rows, timing, gone)

    def stats_of(self, served: ServedVersion, backend: str) -> PredictionStats:
        key = Key(served.name, served.version, backend)
        found = self.stats.get(key)
        if found is None:
            found = self.stats[key] = PredictionStats()
        return found

    def version_stats(self, served: ServedVersion) -> PredictionStats:
        """The sum over its backends."""
        total = PredictionStats()
        for key, stats in self.stats.items():
            if key[:2] == (served.name, served.version):
                total.add(stats)
        return total

    def is_ready(self, served: ServedVersion) -> bool:
        """Whether a request to the version would be answered, if need be after loading it."""
        return bool(served.backends) and served.name not in self._unloaded

    async def load(self, name: str) -> None:
        """Bring the default version of a model into memory, and allow requests to it."""
        self._unloaded.discard(name)
        served = await self.resolve(name)
        await self.cache.get(served, served.backend_for(None, 1))

    async def unload(self, name: str) -> None:
        """Give back the memory of all versions of a model and refuse requests until `load`."""
        await self.watch.refresh()
        if name not in self.watch.versions:
            raise NotFound(f"there is no model {name[:64]}", code="model_not_found")
        self._unloaded.add(name)
        self._drop(lambda key: key.name == name)

    def versions(self) -> Iterator[ServedVersion]:
        """All that this process knows of, by name and number."""
        for name in sorted(self.watch.versions):
            for _, served in sorted(self.watch.versions[name].items()):
                yield served

    def _drop(self, gone: Callable[[Key], bool]) -> None:
        for key in self.cache:
            if gone(key):
                self.cache.drop(key)

    def _follow_change(self) -> None:
        """Forget what was deleted, and load new champions before requests come for them."""
        known = self.watch.versions
        self._drop(lambda key: key.version not in known.get(key.name, {}))
        self._unloaded &= known.keys()
        self.stats = {
            key: stats
            for key, stats in self.stats.items()
            if key.version in known.get(key.name, {})
        }
        self._news.set()

    async def _warm_champions(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            for name in tuple(self.watch.versions):
                served = self.watch.find(name)
                if served is None or not self.is_ready(served):
                    continue
                try:
                    await self._warm_one(served)
                except ServiceError as error:
                    log.warning("champion_not_warmed", model=name, reason=error.detail)
            self._warm = True

    async def _warm_one(self, served: ServedVersion) -> None:
        """Load it if it fits beside what is in use: warming up must not push anything out."""
        backend = served.backend_for(None, 1)
        if self.cache.fits(served, backend):
            await self.cache.get(served, backend)
