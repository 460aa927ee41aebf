"""Whether this container's process does its work: `python -m services.probe api|worker|dashboard`.

Asked every few seconds by a container engine, so it imports nothing that takes time.
"""

from __future__ import annotations

import os
import sys
import time
import urllib.request
from pathlib import Path

SILENT_S = 60.0
"""A worker touches its lock file with each heartbeat, also one that found no database: that is
the database's illness, and a worker waits for it."""
TIMEOUT_S = 4.0


def api() -> bool:
    """Whether it answers."""
    return _answers(os.environ.get("TORCHKILN_PORT", "8000"))


def dashboard() -> bool:
    return _answers(os.environ.get("TORCHKILN_DASHBOARD_PORT", "8002"))


def _answers(port: str) -> bool:
    try:
        url = f"http://127.0.0.1:{port}/healthz"
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            return response.status == 200
    except OSError:
        return False


def worker() -> bool:
    """Whether its last heartbeat is recent."""
    locks = Path(os.environ.get("TORCHKILN_DATA_DIR", "var"), "work").glob("*.lock")
    return any(time.time() - lock.stat().st_mtime < SILENT_S for lock in locks)


PROBES = {"api": api, "worker": worker, "dashboard": dashboard}

if __name__ == "__main__":
    sys.exit(not PROBES[sys.argv[1]]())
