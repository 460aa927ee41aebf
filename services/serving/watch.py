"""The registry in memory, kept up to date by asking the database whether its revision has risen:
as soon as the broker tells of a change, and again and again in case that it does not.

Requests are resolved here without a query. A process that cannot reach the database goes on
with what it knows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping

import structlog

from services.db.tables import ModelVersion
from services.errors import NotFound, ServiceError
from services.notices import NoNotices, Notices
from services.promotion import CHAMPION
from services.registry import Registry, Snapshot, VersionView
from services.serving.versions import ServedVersion

POLL_S = 0.4
CANCEL_AGAIN_S = 0.5

log = structlog.get_logger(__name__)

Versions = Mapping[str, Mapping[int, ServedVersion]]
Refs = Mapping[tuple[str, str | None], ServedVersion]
"""A version by the model's name and its number or an alias; None is the champion."""


def follow(_now: Refs, wanted: Refs) -> Refs:
    return wanted


class RegistryWatch:
    def __init__(
        self, registry: Registry, *, poll_s: float = POLL_S, notices: Notices | None = None
    ) -> None:
        self._registry = registry
        self._notices = notices or NoNotices()
        self._news = asyncio.Event()
        self._poll_s = poll_s
        self._reading: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._revision = -1
        self._tasks: list[asyncio.Task[None]] = []
        self._wanted: Refs = {}
        self.refs: Refs = {}
        """What requests find: as the registry has it, or as it had it a little before."""
        self.versions: Versions = {}
        self.aliases: Mapping[str, Mapping[str, int]] = {}
        self.unloaded: frozenset[str] = frozenset()
        self.admit: Callable[[Refs, Refs], Refs] = follow
        """What requests find from now on, given what they find now and what the registry says."""
        self.changed: Callable[[], None] = lambda: None
        """Called in the event loop after each change."""

    @property
    def is_known(self) -> bool:
        """Whether the registry was read at all."""
        return self._revision >= 0

    def find(self, name: str, ref: str | None = None) -> ServedVersion | None:
        """The version that answers. `ref` is a number or an alias; None is the champion.
        None: not that we knew."""
        return self.refs.get((name, ref))

    def target(self, name: str, ref: str | None = None) -> ServedVersion | None:
        """The version that is to answer, by the registry."""
        return self._wanted.get((name, ref))

    async def locate(self, name: str, ref: str | None = None) -> ServedVersion:
        """Like `find`, but looks into the database before it says no.

        Raises `NotFound`: `model_not_found` or `version_not_found`.
        """
        found = self.find(name, ref)
        if found is None:
            await self.refresh()
            found = self.find(name, ref)
        if found is not None:
            return found
        if name not in self.versions:
            raise NotFound(f"there is no model {name[:64]}", code="model_not_found")
        wanted = (CHAMPION if ref is None else ref)[:64]
        raise NotFound(f"the model {name} has no version {wanted}", code="version_not_found")

    async def refresh(self) -> None:
        """Know everything that was committed before this call. Raises `Unavailable`.

        However many ask at once, they share one read that begins after the last of them asked.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._read(after=self._reading))
            self._next.add_done_callback(_retrieve)
        await asyncio.shield(self._next)

    async def _read(self, *, after: asyncio.Task[None] | None) -> None:
        if after is not None:
            await asyncio.wait({after})
        self._reading, self._next = self._next, None
        snapshot = await asyncio.to_thread(self._registry.snapshot, self._revision)
        if snapshot is not None:
            self._adopt(snapshot)

    def _adopt(self, snapshot: Snapshot) -> None:
        versions = {
            name: {number: self._served(view) for number, view in views.items()}
            for name, views in snapshot.models.items()
        }
        refs: dict[tuple[str, str | None], ServedVersion] = {}
        for name, numbered in versions.items():
            for number, served in numbered.items():
                refs[name, str(number)] = served
            for alias, number in snapshot.aliases.get(name, {}).items():
                if number in numbered:
                    refs[name, alias] = numbered[number]
            champion = refs.get((name, CHAMPION))
            if champion is not None:
                refs[name, None] = champion
        self.versions, self.aliases, self.unloaded = versions, snapshot.aliases, snapshot.unloaded
        self._wanted, self._revision = refs, snapshot.revision
        self.settle()
        self.changed()

    def _served(self, view: VersionView) -> ServedVersion:
        """What was known already stays the same object, with what it has learned of requests."""
        row = view.row
        known = self.versions.get(row.name, {}).get(row.version)
        return known if known is not None and known.is_of(view) else ServedVersion(view)

    def settle(self) -> None:
        """Ask `admit` again, because what it decides by has changed."""
        self.refs = self.admit(self.refs, self._wanted)

    def champions(self) -> Iterator[ServedVersion]:
        """Those that requests find by a model's name alone."""
        for (_, ref), served in self.refs.items():
            if ref is None:
                yield served

    def holds(self, row: ModelVersion) -> bool:
        """Whether the version still exists."""
        return self.knows(row.name, row.version)

    def knows(self, name: str, version: int) -> bool:
        return version in self.versions.get(name, {})

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._follow(), name="registry watch"),
            asyncio.create_task(self._notices.listen(self._news.set), name="registry notices"),
        ]

    async def stop(self) -> None:
        # More than once where need be: `asyncio.wait_for` of Python 3.11, by which redis-py sends,
        # forgets a cancellation that comes as what it waits for is done.
        pending = set(self._tasks)
        while pending:
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_S)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self) -> None:
        silent = False
        while True:
            self._news.clear()
            try:
                await self.refresh()
                silent = False
            except ServiceError as error:
                if not silent:  # once for each time that it goes away
                    log.warning("registry_unreachable", reason=error.detail)
                silent = True
            except Exception:  # one bad row must not freeze what this process knows
                log.exception("registry_not_read")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._news.wait()


def _retrieve(task: asyncio.Task[None]) -> None:
    """Take the exception of a read whose askers have all gone, so that nobody complains of it."""
    if not task.cancelled():
        task.exception()
