"""Work on the database from a shell: `python -m services.manage migrate`, `… keys create`.

The first key has to be made before a service may listen beyond loopback, so this goes to the
database and not over HTTP.
"""

from __future__ import annotations

import time
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from services.db import migrate as migrations
from services.db.engine import Database
from services.db.tables import ApiKey
from services.errors import ServiceError, Unavailable
from services.keys import Keys, Scope
from services.settings import Settings

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
keys = typer.Typer(no_args_is_help=True, help="API keys")
LOOK_S = 1.0
app.add_typer(keys, name="keys")


def _database() -> Database:
    try:
        settings = Settings()
    except ValidationError as error:
        for item in error.errors():
            name = "_".join(map(str, item["loc"])).upper()
            typer.echo(f"torchkiln: TORCHKILN_{name}: {item['msg']}", err=True)
        raise typer.Exit(2) from None
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return Database(settings.sqlalchemy_url)


@app.command()
def migrate() -> None:
    """Bring the database to the present schema; safe to run again."""
    db = _database()
    try:
        db.ping()
        migrations.upgrade(db)
    except ServiceError as error:
        _fail(error)
    finally:
        db.close()


@app.command()
def wait(
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=0, help="Seconds until it gives up, with status 1")
    ] = 900,
) -> None:
    """Wait until a `migrate` elsewhere has brought the database to the present schema."""
    db = _database()
    until = time.monotonic() + timeout_s
    said = None
    try:
        while missing := _missing(db):
            if time.monotonic() >= until:
                _fail(Unavailable(f"gave up after {timeout_s:g} s: {missing}"))
            if missing != said:
                typer.echo(f"waiting: {missing}", err=True)
            said = missing
            time.sleep(min(LOOK_S, timeout_s))
    finally:
        db.close()


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for, for people")],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="What it may do; repeat for more; all if none is given"),
    ] = None,
) -> None:
    """Make a key and print its secret, which is shown this once."""
    db = _migrated()
    try:
        row, secret = Keys(db).create(name, [*(scope or Scope)])
    except ServiceError as error:
        _fail(error)
    finally:
        db.close()
    typer.echo(secret)
    typer.echo(f"{row.id} {row.name}: {', '.join(row.scopes)}", err=True)


@keys.command("list")
def list_keys() -> None:
    """Print every key: id, state, name, scopes."""
    db = _migrated()
    try:
        for row in Keys(db).list():
            typer.echo(f"{row.id}  {_state(row):8}  {row.name}  {','.join(row.scopes)}")
    finally:
        db.close()


@keys.command()
def revoke(key_id: str) -> None:
    """Make a key useless, within seconds in every process."""
    db = _migrated()
    try:
        row = Keys(db).revoke(key_id)
    except ServiceError as error:
        _fail(error)
    finally:
        db.close()
    typer.echo(f"{row.id}  {_state(row)}  {row.name}")


def _migrated() -> Database:
    """The database with its tables: a key may be made before the service has ever started."""
    db = _database()
    try:
        db.ping()
        migrations.upgrade(db)
    except ServiceError as error:
        db.close()
        _fail(error)
    return db


def _missing(db: Database) -> str | None:
    """What keeps a process of this release from starting."""
    try:
        return None if migrations.is_current(db) else "the database lacks the present schema"
    except SQLAlchemyError:
        return "the database does not answer"


def _state(row: ApiKey) -> str:
    return "revoked" if row.revoked_at else "active"


def _fail(error: ServiceError) -> NoReturn:
    typer.echo(f"torchkiln: {error.detail}", err=True)
    for item in error.errors:
        typer.echo(f"  {item.field}: {item.message}", err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
