"""What every test may use: both databases, and a service made of real parts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

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


@pytest.fixture
def database(empty_database_url: str) -> Iterator[Database]:
    """A database with the present schema."""
    db = Database(empty_database_url)
    migrate.upgrade(db)
    yield db
    db.close()
