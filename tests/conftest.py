"""What every test may use: both databases, and a service made of real parts."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from services.db import migrate
from services.db.engine import Database
from tests.support import postgres

os.environ.setdefault("TORCHKILN_TUNE_BUDGET_S", "0")
"""Every test has a data directory of its own, and would measure each model anew; those of tuning
say what it may take."""


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server for the session; without one on the machine the test is skipped, and
    in CI, which installs one, it fails."""
    bin_dir = postgres.binaries()
    if bin_dir is None:
        missing = "PostgreSQL is not installed (Debian: postgresql)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with postgres.server(bin_dir) as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new database, once for each kind that the service runs on."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'torchkiln.db'}"
        return
    with postgres.database(request.getfixturevalue("postgres_url")) as url:
        yield url


def migrated(url: str) -> None:
    db = Database(url)
    migrate.upgrade(db)
    db.close()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the present schema and nothing in it, to copy: to migrate takes longer."""
    file = tmp_path_factory.mktemp("template") / "torchkiln.db"
    migrated(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> Iterator[str]:
    """The name of a database on that server that is like it."""
    with postgres.database(postgres_url) as url:
        migrated(url)
        yield make_url(url).database or ""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new database with the present schema, once for each kind."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("template"), tmp_path)
        yield f"sqlite:///{tmp_path / 'torchkiln.db'}"
        return
    server, like = map(request.getfixturevalue, ("postgres_url", "postgres_template"))
    with postgres.database(server, template=like) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    db = Database(database_url)
    yield db
    db.close()
