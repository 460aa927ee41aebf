"""The environment variables of a trainer process."""

from __future__ import annotations

import os
from pathlib import Path

SETTINGS = ("TORCHKILN_", "OTEL_")
"""How names of variables begin that tell of the service, or of who receives its traces."""
ROOT = Path(__file__).resolve().parents[1]


def environment() -> dict[str, str]:
    """Ours without the service's settings: a trainer has no business with its credentials."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    path = [str(ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    return {
        # Threads that wait for each other by spinning fight whatever else runs here for the cores:
        # beside two busy processes two of them took 15 s for what one does in 1.3 s. Asleep: 1.4 s.
        "OMP_WAIT_POLICY": "passive",
        **kept,
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONUNBUFFERED": "1",
        "PYTHONHASHSEED": "0",  # the order of sets must not differ between attempts
        "MPLBACKEND": "agg",
    }
