"""How a launcher and its ranks speak: named pipes, because torch starts ranks without any of ours.

Each rank has four in a directory: the two of a trainer, controls and messages, and what it prints.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

Stream = Literal["controls", "messages", "stdout", "stderr"]
SAID: tuple[Stream, ...] = ("messages", "stdout", "stderr")
"""What comes from a rank."""


class Pipes:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def make(self, ranks: int) -> None:
        self.directory.mkdir()
        for rank in range(ranks):
            for stream in ("controls", *SAID):
                os.mkfifo(self.path(rank, stream), 0o600)

    def path(self, rank: int, stream: Stream) -> Path:
        return self.directory / f"{rank}.{stream}"

    def hold(self, rank: int, stream: Stream) -> int:
        """Open the launcher's end, from both sides: so it waits for no rank, a rank does not wait
        for it, and a rank that ends does not end it."""
        return os.open(self.path(rank, stream), os.O_RDWR | os.O_NONBLOCK)

    def open_controls(self, rank: int) -> int:
        """The rank's end. It comes to its end when the launcher does."""
        return os.open(self.path(rank, "controls"), os.O_RDONLY)

    def open_messages(self, rank: int) -> int:
        return os.open(self.path(rank, "messages"), os.O_WRONLY)
