"""The migrations make the tables that the code declares, and can be taken back."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from services.db import migrate
from services.db.engine import Database
from services.db.tables import Base


def test_the_migrated_schema_is_the_declared_one(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_downgrade_leaves_nothing_but_alembics_own_table(empty_database_url: str) -> None:
    db = Database(empty_database_url)
    try:
        migrate.upgrade(db)
        assert migrate.is_current(db)
        migrate.downgrade(db)
        assert inspect(db.engine).get_table_names() == ["alembic_version"]
        assert not migrate.is_current(db)
        migrate.upgrade(db)
        assert migrate.is_current(db)
    finally:
        db.close()
