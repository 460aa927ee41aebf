"""`torchkiln demo`: the main job end to end."""

from __future__ import annotations

from torchkiln.cli.options import DataDir
from torchkiln.demo import run
from torchkiln.supervisor import checkout


def demo(data_dir: DataDir = None) -> None:
    """Train, publish, benchmark and predict handwritten digits, on a stack of its own.

    Starts the service on a free port with a fresh data directory (var/demo in the checkout),
    shows each step, and stops everything. Exit status 0 if all of it worked.
    """
    run((data_dir or checkout.default_data_dir() / "demo").expanduser().absolute())
