"""API keys: only their SHA-256 is kept, so a stolen database opens no door."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy import select

from services.db.engine import Database
from services.db.tables import ApiKey
from services.errors import FieldError, Invalid, NotFound, Unauthorized
from services.ids import is_name, new_id

PREFIX = "tk_"


class Scope(StrEnum):
    READ = "read"
    PREDICT = "predict"
    TRAIN = "train"
    ADMIN = "admin"
    """Includes the others."""


ALL_SCOPES = frozenset(Scope)


class Keys:
    def __init__(self, db: Database) -> None:
        self._db = db

    def create(self, name: str, scopes: Sequence[str]) -> tuple[ApiKey, str]:
        """→ the key's row and its secret, which is shown this once."""
        if not is_name(name):
            raise Invalid(
                "not a name for a key",
                errors=(FieldError("name", "expected letters, digits, dots, dashes, underscores"),),
            )
        unknown = sorted(set(scopes) - set(ALL_SCOPES))
        if unknown or not scopes:
            known = ", ".join(Scope)
            raise Invalid(
                "not the scopes of a key",
                errors=(FieldError("scopes", f"expected some of {known}, got {unknown}"),),
            )
        secret = PREFIX + secrets.token_urlsafe(32)
        with self._db.write() as session:
            row = ApiKey(
                id=new_id("key"),
                name=name,
                sha256=_digest(secret),
                scopes=sorted(set(scopes)),
                created_at=self._db.now(session),
            )
            session.add(row)
        return row, secret

    def list(self) -> Sequence[ApiKey]:
        """Newest first, revoked ones among them."""
        with self._db.read() as session:
            return session.scalars(select(ApiKey).order_by(ApiKey.created_at.desc())).all()

    def revoke(self, key_id: str) -> ApiKey:
        with self._db.write() as session:
            row = session.get(ApiKey, key_id)
            if row is None:
                raise NotFound(f"no key has the id {key_id}", code="key_not_found")
            row.revoked_at = row.revoked_at or self._db.now(session)
            return row

    def any(self) -> bool:
        """Whether a key was ever made: revoking the last one does not open the service."""
        with self._db.read() as session:
            return session.scalar(select(ApiKey.id).limit(1)) is not None

    def authenticate(self, secret: str) -> frozenset[Scope]:
        """→ the scopes of a key that holds. Raises `Unauthorized`."""
        digest = _digest(secret)
        with self._db.read() as session:
            row = session.scalars(select(ApiKey).where(ApiKey.sha256 == digest)).one_or_none()
        # The look-up is by digest, which an attacker cannot steer; the comparison is in constant
        # time all the same, so that nothing rests on how the database compares.
        if row is None or not hmac.compare_digest(row.sha256, digest) or row.revoked_at:
            raise Unauthorized("the API key is unknown or revoked")
        return frozenset(map(Scope, row.scopes))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
