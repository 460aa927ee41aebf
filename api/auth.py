"""Who may do what: API keys with scopes, checked before anything of a request is read."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

from services.errors import NotAllowed, Unauthorized, Unavailable
from services.keys import PREFIX, Keys, Scope

FRESH_S = 3.0
"""For so long a key's scopes, or that there are no keys at all, are believed without asking."""
STALE_S = 60.0
"""And for so long while the database does not answer: predictions go on without it."""
MAX_REMEMBERED = 4096

PUBLIC = re.compile(r"/healthz|/readyz|/v2/health/(live|ready)|/docs(/.*)?|/openapi\.json")

RULES: tuple[tuple[str, re.Pattern[str], Scope], ...] = (
    ("POST", re.compile(r"/v1/models/[^/]+/predict"), Scope.PREDICT),
    ("POST", re.compile(r"/v2/models/.+/infer"), Scope.PREDICT),
    ("POST", re.compile(r"/v2/repository/index"), Scope.PREDICT),
    ("GET", re.compile(r"/v2(/.*)?"), Scope.PREDICT),
    ("GET", re.compile(r".*", re.DOTALL), Scope.READ),
    ("POST", re.compile(r"/v1/(jobs|benchmarks)(/.*)?"), Scope.TRAIN),
    ("PUT", re.compile(r"/v1/models/[^/]+/aliases/[^/]+"), Scope.TRAIN),
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


@dataclass(frozen=True, slots=True)
class _Remembered:
    scopes: frozenset[Scope] | None
    """None: the key is unknown."""
    at: float


class Authenticator:
    """Checks requests in the event loop; the database is asked in a thread, once in a while."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._known: dict[bytes, _Remembered] = {}
        self._open: bool | None = None
        self._open_at = 0.0

    async def check(self, method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Raises `Unauthorized`, `NotAllowed`, and `Unavailable` when nobody can tell."""
        scope = needed(method, path)
        if scope is not None:
            await self.require(scope, secret_in(headers))

    async def require(self, scope: Scope, secret: bytes | None) -> None:
        """The same for a scope and a secret, which is None where the request has none."""
        if secret is None:
            if not await self._is_open():
                raise Unauthorized("an API key is required: Authorization: Bearer tk_…")
            return
        found = self._known.get(secret)
        if found is None or time.monotonic() - found.at > FRESH_S:
            if await self._is_open():
                return
            found = await self._look_up(secret, found)
        if found.scopes is None:
            raise Unauthorized("the API key is unknown or revoked")
        if scope not in found.scopes and Scope.ADMIN not in found.scopes:
            raise NotAllowed(f"the API key lacks the scope {scope}")

    async def _look_up(self, secret: bytes, stale: _Remembered | None) -> _Remembered:
        try:
            scopes = await asyncio.to_thread(self._authenticate, secret)
        except Unavailable:
            if stale is not None and time.monotonic() - stale.at < STALE_S:
                return stale
            raise
        if len(self._known) >= MAX_REMEMBERED:  # somebody is guessing
            self._known.clear()
        found = self._known[secret] = _Remembered(scopes, time.monotonic())
        return found

    def _authenticate(self, secret: bytes) -> frozenset[Scope] | None:
        text = secret.decode("latin-1")
        try:
            return self._keys.authenticate(text) if text.startswith(PREFIX) else None
        except Unauthorized:
            return None

    async def _is_open(self) -> bool:
        """Whether no key was ever made; once one was, this never becomes true again."""
        if self._open is False:
            return False
        now = time.monotonic()
        if self._open is None or now - self._open_at > FRESH_S:
            try:
                self._open = not await asyncio.to_thread(self._keys.any)
                self._open_at = now
            except Unavailable:
                if self._open is None or now - self._open_at > STALE_S:
                    raise
        return self._open


def secret_in(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The key that a request shows, in either header."""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, secret = value.partition(b" ")
            return secret.strip() if scheme.lower() == b"bearer" else b""
        if name == b"x-api-key":
            return value.strip()
    return None
