"""A number that rises with every change that serving processes must hear of.

They poll it, which costs one row, and read the registry only when it has risen. Once the change is
committed the broker tells them to look at once.
"""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.db.engine import TOLD
from services.db.tables import RegistryRevision


def bump(session: Session) -> None:
    """Call in the transaction of the change. The row's lock also puts such changes in a line."""
    session.execute(update(RegistryRevision).values(revision=RegistryRevision.revision + 1))
    session.info[TOLD] = True


def current(session: Session) -> int:
    return session.execute(select(RegistryRevision.revision)).scalar_one()
