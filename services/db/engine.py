"""The database: sessions to read with, sessions to write with, and its clock."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    Engine,
    Select,
    create_engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.exc import DataError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from services.errors import Invalid, Unavailable

T = TypeVar("T")

BUSY_TIMEOUT_S = 10.0
"""How long a SQLite writer waits for another one before it gives up."""
STILL_S = 15
"""How long a transaction on a server may stand still before the server ends it: half of a lease.
One of a process that is frozen, or of a host that is cut off, would keep its row locked, and nobody
could take over what that process has in hand."""
STOOD_STILL = "25P03"
"""What PostgreSQL says then to whoever goes on."""
TOLD = "told"
"""In the `info` of a session: others are to be told of its changes once they are committed."""


class Database:
    """One engine and its sessions. Rows stay readable after their session is closed.

    Every method raises `Unavailable` when the database does not answer.
    """

    def __init__(
        self, url: str, *, pool_size: int = 10, tell: Callable[[], None] = lambda: None
    ) -> None:
        """`tell` is called after each commit of changes that others wait for; it never raises."""
        self._tell = tell
        self.engine = _sqlite(url) if url.startswith("sqlite") else _server(url, pool_size)
        self.is_sqlite = self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Generator[Session]:
        """A transaction that changes nothing; a snapshot of its own in SQLite."""
        with _told(), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Generator[Session]:
        """A transaction that commits at the end of the block, or leaves nothing behind.

        In SQLite it takes the write lock at its start: a lock taken later, after a read, can
        fail at once instead of waiting.
        """
        with _told(), Session(self.engine, expire_on_commit=False) as session:
            session.connection(execution_options={"immediate": True})
            yield session
            session.commit()
            told = TOLD in session.info
        if told:
            self._tell()

    def scalar(self, statement: Select[T]) -> T:
        """The one value of one row, in half the time that a session takes."""
        with _told(), self.engine.connect() as connection:
            return connection.execute(statement).scalar_one()

    def now(self, session: Session) -> datetime:
        """The database's clock, which is the only one that leases are counted by."""
        return now_of(session)

    def ping(self) -> None:
        with self.read() as session:
            session.execute(select(1))

    def close(self) -> None:
        self.engine.dispose()


def now_of(session: Session) -> datetime:
    """PostgreSQL's `now()` stands still in a transaction, so its wall clock is read; SQLite runs
    in this process and has no clock but the host's."""
    if session.get_bind().dialect.name == "sqlite":
        return datetime.now(UTC)
    return session.execute(select(func.clock_timestamp())).scalar_one().astimezone(UTC)


@contextmanager
def _told() -> Generator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise Unavailable("the database does not answer", code="database_unavailable") from error
    except InternalError as error:
        if getattr(error.orig, "sqlstate", None) != STOOD_STILL:
            raise
        raise Unavailable(
            "the database has ended a transaction that stood still", code="database_unavailable"
        ) from error
    except DataError as error:
        raise Invalid("a value is outside of what the database can hold") from error


def _server(url: str, pool_size: int) -> Engine:
    address = make_url(url)
    if address.drivername == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    engine = create_engine(
        address,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        pool_timeout=10,
        connect_args={"connect_timeout": 5},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.execute(f"SET idle_in_transaction_session_timeout = '{STILL_S}s'")
        connection.commit()

    return engine


def _sqlite(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN would come too late
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
