"""Who may do what: API keys with scopes, checked before anything of a request is read."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from services.errors import NotAllowed, Unauthorized, Unavailable
from services.keys import PREFIX, Keys, Scope

_Key = bytes | None
"""The secret that something is known of; None is whether there are keys at all."""
_Tasks = dict[_Key, asyncio.Task[Any]]

FRESH_S = 3.0
"""For so long a key's scopes, or that there are no keys at all, are believed without asking."""
AHEAD_S = 1.5
"""So long before that, requests that go on make it asked for again."""
STALE_S = 60.0
"""And for so long while the database does not answer: predictions go on without it."""
PATIENCE_S = 0.5
"""How long a request waits for news of a key that was good a moment ago."""
MAX_REMEMBERED = 4096

PUBLIC = re.compile(r"/healthz|/readyz|/v2/health/(live|ready)|/docs(/.*)?|/openapi\.json")

RULES: tuple[tuple[str, re.Pattern[str], Scope], ...] = (
    ("POST", re.compile(r"/v1/models/[^/]+/predict"), Scope.PREDICT),
    (
        "POST",
        re.compile(r"/v1/models/[^/]+/versions/[^/]+/(activations|gradients|features)"),
        Scope.PREDICT,
    ),
    ("POST", re.compile(r"/v2/models/.+/infer"), Scope.PREDICT),
    ("POST", re.compile(r"/v2/repository/index"), Scope.PREDICT),
    ("GET", re.compile(r"/v2(/.*)?"), Scope.PREDICT),
    ("GET", re.compile(r".*", re.DOTALL), Scope.READ),
    ("POST", re.compile(r"/v1/(jobs|benchmarks)(/.*)?"), Scope.TRAIN),
    ("POST", re.compile(r"/v1/datasets"), Scope.TRAIN),
    ("POST", re.compile(r"/v1/models/[^/]+/versions"), Scope.TRAIN),
    ("PUT", re.compile(r"/v1/models/[^/]+/aliases/[^/]+"), Scope.TRAIN),
    ("PUT", re.compile(r"/v1/models/[^/]+/versions/[^/]+/backends/[^/]+"), Scope.TRAIN),
    ("DELETE", re.compile(r"/v1/models/[^/]+/aliases/[^/]+"), Scope.TRAIN),
)
"""The first that fits says which scope is needed; what none fits needs `admin`."""


def needed(method: str, path: str) -> Scope | None:
    """The scope that a request needs; None where anybody may ask."""
    if PUBLIC.fullmatch(path):
        return None
    method = "GET" if method == "HEAD" else method
    for rule_method, pattern, scope in RULES:
        if rule_method == method and pattern.fullmatch(path):
            return scope
    return Scope.ADMIN


@dataclass(slots=True)
class _Known:
    """What the database said, when it said it, and when to ask again."""

    value: Any
    said_at: float
    ask_at: float


class Authenticator:
    """Checks requests in the event loop; the database is asked in a thread, once in a while."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._known: dict[_Key, _Known] = {}
        self._has_keys = False
        self._asking: _Tasks = {}
        self._recalling: _Tasks = {}

    async def check(self, method: str, path: str, headers: Mapping[bytes, bytes]) -> None:
        """Raises `Unauthorized`, `NotAllowed`, and `Unavailable` when nobody can tell."""
        scope = needed(method, path)
        if scope is not None:
            await self.require(scope, secret_in(headers))

    async def require(self, scope: Scope, secret: bytes | None) -> None:
        """The same for a scope and a secret, which is None where the request has none."""
        if await self._is_open():
            return
        if secret is None:
            raise Unauthorized("an API key is required: Authorization: Bearer tk_…")
        scopes: frozenset[Scope] | None = await self._recall(secret)
        if scopes is None:
            raise Unauthorized("the API key is unknown or revoked")
        if scope not in scopes and Scope.ADMIN not in scopes:
            raise NotAllowed(f"the API key lacks the scope {scope}")

    def allows(self, scope: Scope, secret: bytes | None, now: float) -> bool:
        """Whether a request may pass as far as is known here at `now`, by the monotonic clock;
        False may still be yes."""
        if not self._has_keys:
            secret = None
        elif secret is None:
            return False
        known = self._known.get(secret)
        if known is None or now >= known.ask_at:
            return False
        if now > known.ask_at - AHEAD_S:  # so that under load no request has to wait for it
            _once(self._asking, secret, self._ask)
        if secret is None:
            return not known.value
        scopes: frozenset[Scope] = known.value or frozenset()
        return scope in scopes or Scope.ADMIN in scopes

    def news(self, secret: bytes | None, now: float) -> asyncio.Task[Any] | None:
        """What to wait for before `allows` is asked again, where a while without requests has made
        it forget; None where that would change nothing. One for all who come at once: what comes
        after a pause comes in numbers."""
        key = secret if self._has_keys else None
        known = self._known.get(key)
        if known is None or now < known.ask_at:
            return None
        return _once(self._recalling, key, self._recall)

    async def _is_open(self) -> bool:
        """Whether no key was ever made; once one was, this never becomes true again."""
        if not self._has_keys:
            self._has_keys = await self._recall(None)
        return not self._has_keys

    async def _recall(self, key: _Key) -> Any:
        """What the database says of `key`, at most FRESH_S old unless it is slow or down."""
        known = self._known.get(key)
        now = time.monotonic()
        if known is not None and now < known.ask_at:
            return known.value
        asking = _once(self._asking, key, self._ask)
        try:
            async with asyncio.timeout(None if known is None else PATIENCE_S):
                return await asyncio.shield(asking)
        except (Unavailable, TimeoutError) as error:
            if known is None or now - known.said_at > STALE_S:
                raise Unavailable("API keys cannot be checked at the moment") from error
            known.ask_at = now + FRESH_S
            return known.value

    async def _ask(self, key: _Key) -> Any:
        ask = self._keys.any if key is None else partial(self._authenticate, key)
        value = await asyncio.to_thread(ask)
        self._remember(key, value)
        return value

    def _remember(self, key: _Key, value: Any) -> None:
        if len(self._known) >= MAX_REMEMBERED:  # somebody is guessing
            self._known.clear()
        now = time.monotonic()
        self._known[key] = _Known(value, now, now + FRESH_S)

    def _authenticate(self, secret: bytes) -> frozenset[Scope] | None:
        """The scopes of a key; None for one that is unknown or revoked."""
        text = secret.decode("latin-1")
        try:
            return self._keys.authenticate(text) if text.startswith(PREFIX) else None
        except Unauthorized:
            return None


def _once(
    tasks: _Tasks, key: _Key, work: Callable[[_Key], Coroutine[Any, Any, Any]]
) -> asyncio.Task[Any]:
    """The task of `tasks` that does this already, or a new one."""
    task = tasks.get(key)
    if task is None:
        task = tasks[key] = asyncio.create_task(work(key), name="API key")
        task.add_done_callback(lambda done: _end(tasks, key, done))
    return task


def _end(tasks: _Tasks, key: _Key, task: asyncio.Task[Any]) -> None:
    del tasks[key]
    if not task.cancelled():
        task.exception()  # taken, in case that nobody waits for it: who needs it will ask again


def secret_in(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The key that a request shows, in either header; None where it shows none."""
    authorization = headers.get(b"authorization")
    if authorization is None:
        return headers.get(b"x-api-key")
    scheme, _, secret = authorization.partition(b" ")
    return secret.strip() if scheme.lower() == b"bearer" else b""
