"""Bringing a database to the present schema, by Alembic.

Alembic is imported by whoever migrates. An API process only asks whether the schema is the present
one, and 10 MB, which every other process would hold for good, are too much for that question.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import IntegrityError

from models.lazy import lazy
from services.db.engine import Database
from services.db.tables import Base

if TYPE_CHECKING:
    from alembic import command, config
else:
    command = lazy("alembic.command")
    config = lazy("alembic.config")

HEAD = "head"
SCRIPTS = Path(__file__).with_name("migrations")


def upgrade(db: Database, revision: str = HEAD) -> None:
    with _migrating(db) as connection:
        command.upgrade(_config(connection), revision)


def downgrade(db: Database, revision: str = "base") -> None:
    with _migrating(db) as connection:
        command.downgrade(_config(connection), revision)


@contextmanager
def _migrating(db: Database) -> Generator[Connection]:
    """A transaction; in SQLite one that may drop a table which others refer to, because there a
    table is altered by making it again. The references have to hold at its end.

    Raises `IntegrityError` for one that does not.
    """
    if not db.is_sqlite:
        with db.engine.begin() as connection:
            yield connection
        return
    with db.engine.connect() as connection:
        driver = connection.connection.cursor()
        driver.execute("PRAGMA foreign_keys=OFF")  # which does nothing once a transaction has begun
        try:
            with connection.begin():
                yield connection
                if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                    raise IntegrityError("PRAGMA foreign_key_check", None, Exception(broken))
        finally:
            driver.execute("PRAGMA foreign_keys=ON")


def is_current(db: Database) -> bool:
    """Whether the database has every migration that this code knows."""
    with db.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
        return found == [latest()]


def latest() -> str:
    """The revision of the newest migration, whose file `m0002_datasets.py` is named for it."""
    return max(path.name for path in (SCRIPTS / "versions").glob("m[0-9]*.py"))[1:5]


def _config(connection: Connection) -> config.Config:
    made = config.Config()
    made.set_main_option("script_location", str(SCRIPTS))
    made.attributes["connection"] = connection
    made.attributes["metadata"] = Base.metadata
    return made
