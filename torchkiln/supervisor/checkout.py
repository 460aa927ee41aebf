"""Where the service's code is. The rooms are not installed: they run from a checkout or image."""

from __future__ import annotations

import os
from pathlib import Path

from torchkiln.errors import CannotRun

ROOT = Path(__file__).resolve().parents[2]


def root() -> Path:
    """The directory that holds `api/`, `services/`, `workers/`, `dashboard/` beside this package.

    Raises `CannotRun` where only the client is installed.
    """
    missing = [
        room for room in ("api", "services", "workers", "dashboard") if not (ROOT / room).is_dir()
    ]
    if missing:
        raise CannotRun(
            f"the service's code is not here: {ROOT} has no {', '.join(missing)}. "
            "Run this from a checkout of torchkiln (pip install -e '.[service]') or in its image; "
            "an installed client can only talk to a service that runs elsewhere."
        )
    return ROOT


def default_data_dir() -> Path:
    """`var` in the checkout, wherever the command is called from."""
    return ROOT / "var"


def environment(**settings: object) -> dict[str, str]:
    """The environment of a room's process: this one's, `TORCHKILN_<NAME>` for each setting.

    A setting that is None leaves what the environment says.
    """
    env = dict(os.environ)
    for name, value in settings.items():
        if value is not None:
            env[f"TORCHKILN_{name.upper()}"] = str(value)
    paths = [str(root()), *filter(None, [env.get("PYTHONPATH")])]
    env["PYTHONPATH"] = os.pathsep.join(paths)
    env["PYTHONUNBUFFERED"] = "1"  # so that a log holds what a killed process said last
    return env
