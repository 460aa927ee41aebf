"""What an inspector is made to do in tests. Its process imports this file, so it imports little."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from models.errors import LayerNotFound
from models.inspection.requests import Inspection
from models.signature import Signature
from services.inspector import Inspector


def perform(request: Inspection) -> bytes:
    """The layer's name says what happens."""
    if request.layer == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if request.layer == "hangs":
        time.sleep(600)
    if request.layer == "missing":
        raise LayerNotFound("expected the name of a layer", field="layer")
    return str(os.getpid()).encode()


def asked(layer: str = "") -> Inspection:
    return Inspection("summary", Path(), Signature((), ()), layer=layer)


def inspector(*, limit_s: float = 60.0, idle_s: float = 600.0) -> Inspector:
    return Inspector(limit_s=limit_s, idle_s=idle_s, perform=perform, modules=())


async def _start_and_hang() -> None:
    made = inspector()
    print((await made.inspect(asked())).decode(), flush=True)  # noqa: T201
    await made.inspect(asked("hangs"))


if __name__ == "__main__":  # a parent to kill
    asyncio.run(_start_and_hang())
