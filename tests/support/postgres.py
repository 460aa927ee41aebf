"""A PostgreSQL server of the tests' own, on a socket in a directory of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, make_url, text


def binaries() -> Path | None:
    """Where `initdb` and `postgres` are, if this machine has them."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    return versions[-1].parent if versions else None


@contextmanager
def server(bin_dir: Path, *, durable: bool = False) -> Generator[str]:
    """Run a server until the block ends. → the SQLAlchemy URL of an empty database.

    `durable` syncs every commit, as in earnest; tests have no use for that, measurements do.
    """
    as_root = os.geteuid() == 0
    user = "postgres" if as_root else pwd.getpwuid(os.geteuid()).pw_name
    # Not below pytest's own directory, which only this user may enter: the server refuses to run
    # as root. The path is short, too, which that of a socket has to be.
    directory = Path(tempfile.mkdtemp(prefix="torchkiln-pg-"))
    data = directory / "data"
    if as_root:
        shutil.chown(directory, user)

    def run(*command: str) -> None:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            user=user if as_root else None,
            cwd=directory,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        )

    run(str(bin_dir / "initdb"), "-D", str(data), "-U", "torchkiln", "-A", "trust", "-E", "UTF8")
    options = f"-c listen_addresses='' -k {directory} -c fsync={'on' if durable else 'off'}"
    control = [str(bin_dir / "pg_ctl"), "-D", str(data), "-w"]
    run(*control, "-l", str(directory / "log"), "-o", options, "start")
    try:
        yield f"postgresql+psycopg://torchkiln@/postgres?host={directory}"
    finally:
        run(*control, "-m", "immediate", "stop")
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def database(server_url: str, *, template: str = "template1") -> Generator[str]:
    """A new database on that server until the block ends, like `template`. → its URL."""
    url = make_url(server_url).set(database=f"test_{uuid.uuid4().hex}")
    admin = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {url.database} TEMPLATE {template}"))
    try:
        yield url.render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {url.database} WITH (FORCE)"))
        admin.dispose()
