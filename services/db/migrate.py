"""Bringing a database to the present schema, by Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from services.db.engine import Database
from services.db.tables import Base

HEAD = "head"


def upgrade(db: Database, revision: str = HEAD) -> None:
    with db.engine.begin() as connection:
        command.upgrade(_config(connection), revision)


def downgrade(db: Database, revision: str = "base") -> None:
    with db.engine.begin() as connection:
        command.downgrade(_config(connection), revision)


def is_current(db: Database) -> bool:
    """Whether the database has every migration that this code knows."""
    with db.engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
        return found == ScriptDirectory.from_config(_config(connection)).get_current_head()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    config.attributes["metadata"] = Base.metadata
    return config
