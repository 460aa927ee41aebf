"""The engine: which version and backend answers a request, and the answer.

One instance a process, used from its event loop. It asks the database in the background only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

from models.backends.base import Tensors
from models.rows import effort
from models.tuning import Tuner
from services.errors import Conflict
from services.notices import Notices
from services.registry import Registry
from services.serving.batching import Outputs
from services.serving.cache import RunnerCache
from services.serving.gone import Gone
from services.serving.key import Key
from services.serving.loading import UNTUNED
from services.serving.rollout import Rollout, VersionState, keys_of
from services.serving.runners import MAX_BATCH_ROWS
from services.serving.stats import PredictionStats, Timing
from services.serving.versions import ServedVersion
from services.serving.watch import RegistryWatch


class Engine:
    def __init__(
        self,
        registry: Registry,
        *,
        memory_bytes: int,
        queue_limit_s: float,
        max_batch_rows: int = MAX_BATCH_ROWS,
        tuner: Tuner = UNTUNED,
        notices: Notices | None = None,
    ) -> None:
        self.watch = RegistryWatch(registry, notices=notices)
        self.cache = RunnerCache(
            registry,
            memory_bytes=memory_bytes,
            queue_limit_s=queue_limit_s,
            max_batch_rows=max_batch_rows,
            tuner=tuner,
        )
        self.stats: dict[Key, PredictionStats] = {}
        self._registry = registry
        self._rollout = Rollout(self.watch, self.cache, self._last_used)
        self._rolling: asyncio.Task[None] | None = None
        self.watch.admit = self._rollout.admit
        self.cache.on_load = self._rollout.loaded
        self.watch.changed = self._follow_change

    async def start(self, *, serves: bool = True) -> None:
        """`serves`: load what requests will ask for. Without, the registry is only followed."""
        if serves:
            self._rolling = asyncio.create_task(self._rollout.run(), name="rollout")
        self.watch.start()

    async def stop(self) -> None:
        await self.watch.stop()
        if self._rolling is not None:
            self._rolling.cancel()
            await asyncio.wait({self._rolling})
        await self.cache.close()

    def not_ready(self) -> str | None:
        """Why this process should get no traffic yet; None when it should."""
        if not self.watch.is_known:
            return "the registry has not been read yet"
        if self._rolling is not None and not self._rollout.is_warm:
            return "the default versions of the models are being loaded"
        return None

    def find(self, name: str, ref: str | None = None) -> ServedVersion | None:
        """The version that answers, if that is known without asking anybody."""
        return None if name in self.watch.unloaded else self.watch.find(name, ref)

    async def resolve(self, name: str, ref: str | None = None) -> ServedVersion:
        """The version that answers. Raises `NotFound`, and `Conflict` if it was unloaded."""
        served = self.watch.find(name, ref) or await self.watch.locate(name, ref)
        if name in self.watch.unloaded:
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
        *,
        timeout_s: float | None = None,
    ) -> Outputs:
        """`inputs` fit the version's signature; `backend` is one that may answer.

        Raises `Busy`, `Unavailable`, `Invalid`, `Abandoned` as the cache and the runner do.
        """
        key = Key(served.name, served.version, backend)
        runner = self.cache.peek(key)
        if runner is None:
            asked = time.monotonic()
            runner = await self.cache.get(served, backend, wait_s=timeout_s, hurry=True)
            if timeout_s is not None:  # what loading took of it is gone
                timeout_s = max(timeout_s - (time.monotonic() - asked), 0.0)
        runner.stats = self.stats_of(served, backend)
        return await runner.run(
            inputs,
            rows,
            timing,
            gone,
            effort=effort(inputs, rows) if served.takes_sequences else None,
            dtypes=served.dtypes,
            timeout_s=timeout_s,
        )

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
        """Whether a request to the version would be answered soon, if need be after loading it."""
        return self.state_of(served).is_ready

    def state_of(self, served: ServedVersion) -> VersionState:
        """For those who ask before they send: the repository's index, and readiness."""
        if served.name in self.watch.unloaded:
            return VersionState("UNAVAILABLE", "unloaded")
        keys = keys_of(served)
        if not keys:
            return VersionState("UNAVAILABLE", "no backend is certified")
        for key in keys:
            failed = self.cache.failures.get(key)
            if failed is not None:
                return VersionState("UNAVAILABLE", failed.error.detail)
        if self._rollout.awaits(served) or any(self.cache.loads(key) for key in keys):
            return VersionState("LOADING", "being loaded")
        return VersionState("READY")

    async def follow(self, name: str) -> None:
        """After a change to a model: have requests to it see the change, if they soon can.

        It takes a while to load another version; when it takes long, they will see it later.
        """
        await self.watch.refresh()
        await self._rollout.follow(name)

    async def load(self, name: str) -> None:
        """Bring the default version of a model into memory, and allow requests to it in every
        process. Raises what `resolve` and `RunnerCache.get` do."""
        await asyncio.to_thread(self._registry.set_unloaded, name, False)
        await self.watch.refresh()
        self.cache.failures.forget(lambda key: key.name == name)
        served = self.watch.target(name) or await self.resolve(name)
        for backend in served.auto_backends or (served.backend_for(None, 1),):
            await self.cache.get(served, backend)

    async def unload(self, name: str) -> None:
        """Give back the memory of all versions of a model and refuse requests until `load`, in
        every process. Raises `NotFound`."""
        await asyncio.to_thread(self._registry.set_unloaded, name, True)
        await self.watch.refresh()

    def versions(self) -> Iterator[ServedVersion]:
        """All that this process knows of, by name and number."""
        for name in sorted(self.watch.versions):
            for _, served in sorted(self.watch.versions[name].items()):
                yield served

    def _follow_change(self) -> None:
        """Forget what was deleted or unloaded; the rollout sees to what is to be loaded."""
        known, unloaded = self.watch.versions, self.watch.unloaded
        self._drop(lambda key: key.version not in known.get(key.name, {}) or key.name in unloaded)
        self.stats = {
            key: stats
            for key, stats in self.stats.items()
            if key.version in known.get(key.name, {})
        }

    def _drop(self, gone: Callable[[Key], bool]) -> None:
        self.cache.failures.forget(gone)
        for key in self.cache:
            if gone(key):
                self.cache.drop(key)

    def _last_used(self, key: Key) -> float:
        stats = self.stats.get(key)
        return stats.last_ms / 1e3 if stats is not None else 0.0
