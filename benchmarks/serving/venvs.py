"""Environments of the peers under `.bench/`, made once and used again."""

from __future__ import annotations

import shutil
import site
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.serving.servers.base import ROOT, Server

HOME = ROOT / ".bench/venvs"
STAMP = "installed.txt"
"""In an environment: the packages that it was made for. Written last."""
BORROWED = "torchkiln-behind.pth"
LIMIT_S = 900.0


class NotInstalled(Exception):
    """Why a server cannot be had here."""


def python_of(server: Server, say: Callable[[str], None]) -> Path:
    """The interpreter that has what `server` needs. Installs it if need be.

    Raises `NotInstalled`.
    """
    missing = [program for program in server.needs if shutil.which(program) is None]
    if missing:
        raise NotInstalled(f"expected {', '.join(missing)} on this machine, found none")
    if not server.packages:
        return Path(sys.executable)
    directory = HOME / (server.environment or server.name)
    wanted = "\n".join(server.packages)
    stamp = directory / STAMP
    if not stamp.is_file() or stamp.read_text() != wanted:
        say(f"{server.name}: installing {', '.join(server.packages)}")
        _install(directory, server)
        stamp.write_text(wanted)
    return directory / "bin/python"


def _install(directory: Path, server: Server) -> None:
    python = directory / "bin/python"
    if not python.exists():
        _run([sys.executable, "-m", "venv", str(directory)])
    _run([str(python), "-m", "pip", "install", "--quiet", *server.packages])
    if server.borrows:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        target = directory / "lib" / version / "site-packages" / BORROWED
        target.write_text("\n".join(site.getsitepackages()))


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"pip took more than {LIMIT_S:.0f} s") from None
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "ERROR" in line]
        raise NotInstalled(errors[0] if errors else f"pip ended with {done.returncode}")


def frozen(server: Server) -> list[str]:
    """Every release in the environment, as `pip freeze` says it; empty for torchkiln's own."""
    if not server.packages:
        return []
    python = HOME / (server.environment or server.name) / "bin/python"
    done = subprocess.run(
        [python, "-m", "pip", "freeze"], capture_output=True, text=True, check=True
    )
    return [line for line in done.stdout.splitlines() if "==" in line]
