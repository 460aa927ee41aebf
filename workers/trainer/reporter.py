"""How a run's reports become messages."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import Interrupted
from models.files import sha256
from models.run import Level
from services.ids import is_name
from workers.messages import Message
from workers.trainer.channel import Channel, Controls
from workers.trainer.device_memory import DeviceMemory

if TYPE_CHECKING:
    from models.checkpoints import SavedCheckpoint

PROGRESS_INTERVAL_S = 0.2


class ChannelReporter:
    """`models.run.Reporter` over a channel. Progress is thinned out: it may be told every step."""

    def __init__(
        self,
        channel: Channel,
        controls: Controls,
        workdir: Path,
        device: str = "cpu",
        *,
        traced: bool = False,
    ) -> None:
        """`device`: what the run trains on; `traced`: whether somebody wants to hear of its
        parts."""
        self._traced = traced
        self._spans = 0
        self._within: list[int] = []
        self._channel = channel
        self._memory = DeviceMemory(device)
        self._controls = controls
        self._workdir = workdir.resolve()
        self._progress: Message | None = None
        self._progress_due = 0.0
        self._samples = 0

    def progress(self, *, epoch: int, epochs: int, step: int, steps: int, samples: int = 0) -> None:
        self._samples += samples
        self._progress = {
            "type": "progress",
            "epoch": epoch,
            "epochs": epochs,
            "step": step,
            "steps": steps,
            "samples": self._samples,
        }
        if time.monotonic() >= self._progress_due:
            self.flush()

    def metrics(self, values: Mapping[str, float], *, epoch: int, step: int) -> None:
        self.send({"type": "metrics", "values": dict(values), "epoch": epoch, "step": step})

    def log(self, message: str, *, level: Level = "info", **data: Any) -> None:
        self.send({"type": "log", "level": level, "message": message, "data": data})

    def resumed(self, *, exact: bool, differences: Mapping[str, Any]) -> None:
        self.send({"type": "resumed", "exact": exact, "differences": dict(differences)})

    def checkpoint(self, saved: SavedCheckpoint) -> None:
        self.send(
            {
                "type": "checkpoint",
                "path": str(saved.path),
                "epoch": saved.epoch,
                "step": saved.step,
                "metrics": dict(saved.metrics),
                "best": saved.best,
                "size_bytes": saved.size_bytes,
                "sha256": saved.sha256,
                "took_s": saved.took_s,
            }
        )

    def artifact(self, file: Path, *, name: str, title: str, media_type: str) -> None:
        """Raises ValueError for a name that could not be fetched, or a file that is elsewhere."""
        if not is_name(name):
            raise ValueError(f"{name!r} is no name for an artifact")
        if not file.resolve().is_relative_to(self._workdir):
            raise ValueError(f"the artifact {name} is outside of the run's directory")
        with file.open("rb") as stream:
            os.fsync(stream.fileno())  # from here on it is linked, not copied
        self.send(
            {
                "type": "artifact",
                "path": str(file),
                "name": name,
                "title": title,
                "media_type": media_type,
                "size_bytes": file.stat().st_size,
                "sha256": sha256(file),
            }
        )

    @contextmanager
    def span(self, name: str, **attributes: str | int) -> Generator[None]:
        if not self._traced:
            yield
            return
        self._spans += 1
        own, parent = self._spans, self._within[-1] if self._within else None
        began = {"id": own, "parent": parent, "name": name, "attributes": attributes}
        self.send({"type": "span_began", "at_ns": time.time_ns(), **began})
        self._within.append(own)
        error = None
        try:
            yield
        except Interrupted:
            raise
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            self._within.pop()
            ended = {"type": "span_ended", "id": own, "at_ns": time.time_ns(), "error": error}
            self.send(ended)

    def interrupted(self) -> str | None:
        return self._controls.reason

    def send(self, message: Message) -> None:
        """Anything else that the supervisor should hear, after the progress that led to it."""
        self.flush()
        self._channel.send(message)

    def flush(self) -> None:
        if self._progress is not None:
            self._channel.send(self._progress)
            self._progress = None
            self._progress_due = time.monotonic() + PROGRESS_INTERVAL_S
            self._tell_memory()

    def _tell_memory(self) -> None:
        if (used := self._memory.used()) is not None:
            self._channel.send(used)


class QuietReporter(ChannelReporter):
    """Of a rank that trains along: what it has to tell rank 0 tells, but for its logs and the
    memory of its device."""

    def progress(self, *, epoch: int, epochs: int, step: int, steps: int, samples: int = 0) -> None:
        self._tell_memory()

    def metrics(self, values: Mapping[str, float], *, epoch: int, step: int) -> None: ...

    def resumed(self, *, exact: bool, differences: Mapping[str, Any]) -> None: ...

    def checkpoint(self, saved: SavedCheckpoint) -> None: ...

    def artifact(self, file: Path, *, name: str, title: str, media_type: str) -> None: ...
