"""Work on the database from a shell."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.db import migrate
from services.db.engine import Database
from services.manage import app


def wait(*options: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["wait", *options])
    return done.exit_code, done.stderr


@pytest.fixture
def database_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path / 'kiln.db'}"
    monkeypatch.setenv("TORCHKILN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("TORCHKILN_DATABASE_URL", url)
    return url


def test_wait_ends_when_somebody_has_migrated(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.manage.LOOK_S", 0.02)
    db = Database(database_url)
    migration = threading.Timer(0.2, migrate.upgrade, [db])
    migration.start()
    try:
        assert wait() == (0, "waiting: the database lacks the present schema\n")
    finally:
        migration.join()
        db.close()
    assert wait("--timeout", "0") == (0, "")


@pytest.mark.usefixtures("database_url")
def test_wait_gives_up_with_the_reason() -> None:
    expected = "torchkiln: gave up after 0 s: the database lacks the present schema\n"
    assert wait("--timeout", "0") == (1, expected)


@pytest.mark.usefixtures("database_url")
def test_wait_tells_of_a_database_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHKILN_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    expected = "torchkiln: gave up after 0 s: the database does not answer\n"
    assert wait("--timeout", "0") == (1, expected)
