"""The migrations make the tables that the code declares, and can be taken back."""

from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, inspect, select

from services.container import Container
from services.db import migrate
from services.db.engine import Database
from services.db.tables import Base
from tests.services import factories


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


def test_what_is_in_the_tables_survives_both_ways(container: Container, tmp_path: Path) -> None:
    """Rows that refer to each other, among them those of a table that is made again."""
    claim = factories.running(container)
    assert container.attempt_files.add_checkpoint(claim, factories.checkpoint(tmp_path, step=1))
    factories.published(container, model="net")
    before = rows(container.db)
    migrate.downgrade(container.db, "0001")
    migrate.upgrade(container.db)
    assert rows(container.db) == before
    with container.db.engine.connect() as connection:
        if container.db.is_sqlite:
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1


def rows(db: Database) -> dict[str, int]:
    """How many each table has."""
    with db.engine.connect() as connection:
        return {
            table.name: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
        }
