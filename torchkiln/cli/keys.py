"""`torchkiln keys`: API keys, straight in the database.

Not over HTTP: the first key has to be made before a service may listen beyond loopback.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from torchkiln.cli.options import DatabaseUrl, DataDir, resolve_data_dir
from torchkiln.supervisor import checkout

app = typer.Typer(no_args_is_help=True, help="API keys: create, list, revoke.")

Name = Annotated[str, typer.Argument(help="What the key is for, for people.")]


@app.command()
def create(
    name: Name,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="read, predict, train or admin; repeat for more; all if none is given."),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a key and print its secret, which is shown this once."""
    scopes = [word for each in scope or [] for word in ("--scope", each)]
    _manage("create", *scopes, "--", name, data_dir=data_dir, database_url=database_url)


@app.command("list")
def list_keys(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Print every key: id, state, name, scopes."""
    _manage("list", data_dir=data_dir, database_url=database_url)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="As `keys list` prints it.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a key useless, within seconds in every process."""
    _manage("revoke", "--", key_id, data_dir=data_dir, database_url=database_url)


def _manage(*arguments: str, data_dir: DataDir, database_url: DatabaseUrl) -> None:
    command = [sys.executable, "-m", "services.manage", "keys", *arguments]
    env = checkout.environment(data_dir=resolve_data_dir(data_dir), database_url=database_url)
    done = subprocess.run(command, env=env, cwd=checkout.root(), check=False)  # noqa: S603 - ours
    if done.returncode:
        raise typer.Exit(done.returncode)
