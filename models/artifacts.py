"""Files of a run that its user may fetch: each plot a PNG, with its numbers as JSON beside it."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.files import write_atomically
from models.run import RunContext

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Artifacts:
    """Writes into `workdir/artifacts` and tells the reporter. Names are without their suffix."""

    def __init__(self, context: RunContext) -> None:
        self._directory = context.workdir / "artifacts"
        self._report = context.report
        self._leads = context.leads

    def plot(self, name: str, title: str, figure: Figure, numbers: Any) -> None:
        """`name`.png and, with what it shows as JSON, `name`.json."""
        if not self._leads:
            return
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        self._write(f"{name}.png", title, "image/png", buffer.getvalue())
        self.numbers(name, f"{title} (numbers)", numbers)

    def numbers(self, name: str, title: str, value: Any) -> None:
        """`name`.json. Raises `ValueError` for NaN and infinities, which JSON does not have."""
        data = json.dumps(value, allow_nan=False).encode()
        self._write(f"{name}.json", title, "application/json", data)

    def image(self, name: str, title: str, pixels: NDArray[Any]) -> None:
        """`name`.png, pixel for pixel: (1 or 3, height, width) in [0, 1] to 8 bits."""
        levels = (pixels * 255).round().astype(np.uint8)
        picture = Image.fromarray(levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0))
        buffer = io.BytesIO()
        picture.save(buffer, format="png")
        self._write(f"{name}.png", title, "image/png", buffer.getvalue())

    def _write(self, name: str, title: str, media_type: str, data: bytes) -> None:
        if not self._leads:  # rank 0 writes the same
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        file = self._directory / name
        write_atomically(file, data)
        self._report.artifact(file, name=name, title=title, media_type=media_type)
