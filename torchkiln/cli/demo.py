"""`torchkiln demo`: the main job end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from torchkiln.demo import run
from torchkiln.supervisor import checkout

# Not TORCHKILN_DATA_DIR, which names the directory of a service that is meant to stay.
DemoDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="TORCHKILN_DEMO_DIR",
        help="Where the demo keeps everything; emptied at its start.",
        show_default="var/demo in the checkout",
        file_okay=False,
    ),
]


def demo(data_dir: DemoDir = None) -> None:
    """Train, publish, benchmark and predict handwritten digits, on a stack of its own.

    Starts the service on a free port with a fresh data directory, shows each step, and stops
    everything. Exit status 0 if all of it worked.
    """
    run((data_dir or checkout.default_data_dir() / "demo").expanduser().absolute())
