"""A PostgreSQL server of the tests' own, on a socket in a temporary directory."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def binaries() -> Path | None:
    """Where `initdb` and `postgres` are, if this machine has them."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    return versions[-1].parent if versions else None


@contextmanager
def server(directory: Path, bin_dir: Path) -> Iterator[str]:
    """Run a server until the block ends. → the SQLAlchemy URL of an empty database."""
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    data = directory / "data"
    directory.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(directory, user)
        for parent in directory.parents:
            if parent.owner() == "root" and parent != Path("/tmp"):
                parent.chmod(parent.stat().st_mode | 0o011)

    def run(*command: str) -> None:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            user=user if os.geteuid() == 0 else None,
            cwd=directory,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        )

    run(str(bin_dir / "initdb"), "-D", str(data), "-U", "torchkiln", "-A", "trust", "-E", "UTF8")
    options = f"-c listen_addresses='' -k {directory} -c fsync=off"
    control = [str(bin_dir / "pg_ctl"), "-D", str(data), "-w"]
    run(*control, "-l", str(directory / "log"), "-o", options, "start")
    try:
        yield f"postgresql+psycopg://torchkiln@/postgres?host={directory}"
    finally:
        run(*control, "-m", "immediate", "stop")
