"""A number that rises with every change that serving processes must hear of.

They poll it, which costs one row, and read the registry only when it has risen. Once the change is
committed the broker tells them to look at once.
"""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.db.engine import TOLD, Database
from services.db.tables import RegistryRevision

CURRENT = select(RegistryRevision.revision)


def bump(session: Session) -> None:
    """Call in the transaction of the change. The row's lock also puts such changes in a line."""
    session.execute(update(RegistryRevision).values(revision=RegistryRevision.revision + 1))
    session.info[TOLD] = True


def current(session: Session) -> int:
    return session.execute(CURRENT).scalar_one()


def rose(db: Database, known: int) -> bool:
    """Whether there is another by now. Asked several times a second by each serving process."""
    return db.scalar(CURRENT) != known
