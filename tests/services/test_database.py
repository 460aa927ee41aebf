from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text

from services.db import engine
from services.db.engine import Database
from services.db.tables import Model
from services.errors import Invalid, Unavailable


def test_a_write_commits_whole_or_not_at_all(database: Database) -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    with database.write() as session:
        session.add(Model(name="kept", created_at=now, last_version=0))

    def fail_in_the_middle() -> None:
        with database.write() as session:
            session.add(Model(name="lost", created_at=now, last_version=0))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_the_middle()
    with database.read() as session:
        (model,) = session.scalars(select(Model)).all()
    assert model.name == "kept"
    assert model.created_at == now, "to the microsecond, and in UTC"


def test_one_value_is_what_was_last_committed(database: Database) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    for number in range(3):
        with database.write() as session:
            session.merge(Model(name="one", created_at=now, last_version=number))
            session.flush()
            if database.is_sqlite and number:
                assert database.scalar(select(Model.last_version)) == number - 1
        assert database.scalar(select(Model.last_version)) == number


def test_the_clock_is_aware_and_moves(database: Database) -> None:
    with database.write() as session:
        first, second = database.now(session), database.now(session)
    assert first.utcoffset() is not None
    assert second >= first


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////dev/null/torchkiln.db",
        "postgresql://nobody@127.0.0.1:1/none",
    ],
)
def test_a_database_that_does_not_answer_is_said_to_be_unavailable(url: str) -> None:
    db = Database(url)
    try:
        for use in (db.read, db.write):
            with pytest.raises(Unavailable, match="does not answer"), use() as session:
                session.execute(text("SELECT 1"))
        with pytest.raises(Unavailable, match="does not answer"):
            db.scalar(select(Model.last_version))
    finally:
        db.close()


@pytest.mark.postgres
def test_a_transaction_that_stands_still_locks_nobody_out(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "STILL_S", 1)
    db = Database(postgres_url)
    lock = text("SELECT pg_advisory_xact_lock(7)")

    def stand_still() -> None:
        with db.write() as session:
            session.execute(lock)
            with db.write() as other:  # begins when the first one has been ended
                other.execute(lock)
            session.execute(lock)

    try:
        with pytest.raises(Unavailable, match="stood still"):
            stand_still()
    finally:
        db.close()


@pytest.mark.postgres
def test_what_the_database_cannot_hold_is_invalid(postgres_url: str) -> None:
    db = Database(postgres_url)
    try:
        with pytest.raises(Invalid), db.write() as session:
            session.execute(text("SELECT CAST(:x AS TEXT)"), {"x": "a\0b"})
    finally:
        db.close()


def test_sqlite_is_durable_and_lets_readers_in(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'x.db'}")
    try:
        with db.read() as session:
            assert session.execute(text("PRAGMA journal_mode")).scalar() == "wal"
            assert session.execute(text("PRAGMA synchronous")).scalar() == 2
            assert session.execute(text("PRAGMA foreign_keys")).scalar() == 1
    finally:
        db.close()
