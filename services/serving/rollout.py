"""From what the registry says to what requests find: a version answers once it is in memory.

When an alias moves, or another backend has become the fastest, requests go on with the runners that
are there until the new ones are loaded too; if they cannot be loaded, that is how it stays. A
version that nothing leads to any more gives its memory back once it is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import structlog

from services.errors import ServiceError
from services.serving.cache import RunnerCache
from services.serving.key import Key
from services.serving.versions import ServedVersion
from services.serving.watch import Refs, RegistryWatch

FOLLOW_S = 0.8
"""How long one who changed the registry is kept waiting for requests to see it."""
LINGER_S = 1.0
"""How long nobody may have asked for a version before its memory is given back: it is still found
by requests that came just before the change, and by those that name its number."""
RETRIES_S = (5.0, 10.0, 20.0, 40.0, 60.0)
"""When a load that failed is tried again without being asked for: the last one for all that follow.
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class VersionState:
    """In the words of Triton's repository index."""

    state: Literal["READY", "LOADING", "UNAVAILABLE"]
    reason: str = ""

    @property
    def is_ready(self) -> bool:
        return self.state == "READY"


def keys_of(served: ServedVersion) -> list[Key]:
    """The runners that `auto` answers with."""
    return [Key(served.name, served.version, backend) for backend in served.auto_backends]


class Rollout:
    """Use from one event loop."""

    def __init__(
        self, watch: RegistryWatch, cache: RunnerCache, last_used: Callable[[Key], float]
    ) -> None:
        """`last_used`: when a runner answered for the last time, in seconds since 1970."""
        self.is_warm = False
        """Whether the champions were in memory once, or could not be loaded."""
        self._watch = watch
        self._cache = cache
        self._last_used = last_used
        self._awaited: dict[tuple[str, int], tuple[ServedVersion, ServedVersion]] = {}
        """What is to answer as soon as it is loaded, and what answers until then."""
        self._left: dict[Key, float] = {}
        """Runners that no alias leads to any more, and since when."""
        self._news = asyncio.Event()
        self._moved = asyncio.Event()

    def admit(self, now: Refs, wanted: Refs) -> Refs:
        """What requests find from now on, when they have found `now` until now."""
        self._awaited = {}
        refs = {ref: self._choose(now.get(ref), served) for ref, served in wanted.items()}
        self._note_left(now, refs)
        self._tell()
        return refs

    def awaits(self, served: ServedVersion) -> bool:
        """Whether the version is to answer as soon as it is loaded."""
        return (served.name, served.version) in self._awaited

    def loaded(self, key: Key) -> None:
        """A runner has come into memory, by whomever it was asked for."""
        if key[:2] in self._awaited:
            self._watch.settle()
        elif key.name in self._watch.unloaded or not self._watch.knows(key.name, key.version):
            self._left[key] = time.time()
            self._news.set()

    async def follow(self, name: str) -> None:
        """Wait a little for requests to a model to find what the registry says."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FOLLOW_S):
                while self._may_move(name):
                    await self._moved.wait()

    async def run(self) -> None:
        """Load what is to answer, and drop what no longer does, until cancelled."""
        while True:
            self._news.clear()
            try:
                await self._load_all()
                pause_s = self._drop_left()
            except Exception:  # whatever it is, the next change must not be missed for it
                log.exception("rollout_failed")
                pause_s = RETRIES_S[0]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._news.wait()

    def _choose(self, now: ServedVersion | None, wanted: ServedVersion) -> ServedVersion:
        if now is None or now is wanted or self._may_answer(now, wanted):
            return wanted
        self._awaited[wanted.name, wanted.version] = wanted, now
        return now

    def _may_answer(self, now: ServedVersion, wanted: ServedVersion) -> bool:
        """Whether nobody has to wait longer for `wanted` than for `now`, or there is no choice."""
        missing = [key for key in keys_of(wanted) if key not in self._cache]
        loaded = [key for key in keys_of(now) if key in self._cache]
        if not missing or not loaded or set(missing) <= set(keys_of(now)):
            return True
        if now.name in self._watch.unloaded or not self._watch.knows(now.name, now.version):
            return True
        # Too large for the memory beside the old one, but not without it: one after the other.
        return not self._fits(wanted, loaded) and self._fits(wanted, ())

    def _fits(self, served: ServedVersion, beside: Iterable[Key]) -> bool:
        return self._cache.can_hold(served, served.auto_backends, beside=beside)

    def _note_left(self, now: Refs, refs: Refs) -> None:
        before, after = _aliased(now), _aliased(refs)
        needed = self._needed(after)
        keys = {key for served in before.values() for key in keys_of(served)}
        keys |= {key for key in self._cache if key[:2] in before.keys() - after.keys()}
        left = {**dict.fromkeys(keys, time.time()), **self._left}
        self._left = {key: since for key, since in left.items() if key not in needed}

    def _needed(self, aliased: dict[tuple[str, int], ServedVersion]) -> set[Key]:
        awaited = [served for served, _ in self._awaited.values()]
        return {key for served in (*aliased.values(), *awaited) for key in keys_of(served)}

    def _may_move(self, name: str) -> bool:
        return any(
            not any(self._cache.failures.get(key) for key in keys_of(served))
            for served, _ in self._awaited.values()
            if served.name == name
        )

    def _tell(self) -> None:
        self._news.set()
        self._moved.set()
        self._moved = asyncio.Event()

    async def _load_all(self) -> None:
        while (due := next(self._due(), None)) is not None:
            await self._load(*due)
        self.is_warm = self.is_warm or self._watch.is_known

    def _due(self) -> Iterator[tuple[ServedVersion, str, list[Key], bool]]:
        """Runners to load, the most urgent first, each with those that it must not push out, and
        whether somebody waits for it."""
        for served, now in self._awaited.values():
            for key in self._missing(served):
                yield served, key.backend, [*keys_of(served), *keys_of(now)], True
        for served in self._watch.champions():
            for key in self._missing(served):
                # Warming up pushes nothing out: two that do not fit would do so in turns.
                if served.name not in self._watch.unloaded and self._cache.has_room(
                    served, key.backend
                ):
                    yield served, key.backend, keys_of(served), False

    def _missing(self, served: ServedVersion) -> Iterator[Key]:
        for key in keys_of(served):
            if key not in self._cache and time.monotonic() >= self._due_at(key):
                yield key

    def _due_at(self, key: Key) -> float:
        failed = self._cache.failures.get(key)
        if failed is None:
            return 0.0
        return failed.at + RETRIES_S[min(failed.tries, len(RETRIES_S)) - 1]

    async def _load(
        self, served: ServedVersion, backend: str, keep: list[Key], hurry: bool
    ) -> None:
        try:
            await self._cache.get(served, backend, keep=keep, hurry=hurry)
        except ServiceError:
            self._tell()  # the cache has said why; whoever waits for this is to wait no longer
            return
        key = Key(served.name, served.version, backend)
        if key not in self._needed(_aliased(self._watch.refs)):  # not wanted any more meanwhile
            self._left.setdefault(key, time.time())

    def _drop_left(self) -> float:
        """Drop what has been left alone. → seconds until there may be something to do again."""
        now = time.time()
        self._left = {key: since for key, since in self._left.items() if key in self._cache}
        for key, since in tuple(self._left.items()):
            if now - max(since, self._last_used(key)) >= LINGER_S:
                del self._left[key]
                self._cache.drop(key)
        return LINGER_S if self._left or self._cache.failures else RETRIES_S[-1]


def _aliased(refs: Refs) -> dict[tuple[str, int], ServedVersion]:
    """The versions that are found by an alias, the champion's among them."""
    return {
        (served.name, served.version): served
        for (_, ref), served in refs.items()
        if ref is None or not ref.isdigit()
    }
