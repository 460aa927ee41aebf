"""Files of a run that its user may fetch: each plot a PNG, with its numbers as JSON beside it."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from models.files import write_atomically
from models.run import RunContext

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Artifacts:
    """Writes into `workdir/artifacts` and tells the reporter. Names are without their suffix."""

    def __init__(self, context: RunContext) -> None:
        self._directory = context.workdir / "artifacts"
        self._report = context.report

    def plot(self, name: str, title: str, figure: Figure, numbers: Any) -> None:
        """`name`.png and, with what it shows as JSON, `name`.json."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        self._write(f"{name}.png", title, "image/png", buffer.getvalue())
        self.numbers(name, f"{title} (numbers)", numbers)

    def numbers(self, name: str, title: str, value: Any) -> None:
        """`name`.json. Raises `ValueError` for NaN and infinities, which JSON does not have."""
        data = json.dumps(value, allow_nan=False).encode()
        self._write(f"{name}.json", title, "application/json", data)

    def _write(self, name: str, title: str, media_type: str, data: bytes) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        file = self._directory / name
        write_atomically(file, data)
        self._report.artifact(file, name=name, title=title, media_type=media_type)
