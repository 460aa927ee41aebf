"""What the service asks of the process that imports, and what that answers. Torch-free."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Format = Literal["onnx", "safetensors"]

REQUEST, ANSWER = "request.json", "answer.json"
"""Files in the import's own directory."""


@dataclass(frozen=True)
class ImportRequest:
    format: Format
    file: str
    """Where the upload is."""
    directory: str
    """Where the version's files are to be written."""
    task: str | None = None
    """None is told by the classes: with them `multiclass`, without `regression`."""
    classes: list[str] | None = None
    architecture: Mapping[str, Any] | None = None
    """As in a version's `architecture.json`; only for safetensors."""
    signature: Mapping[str, Any] | None = None
    """As in a version's `signature.json`; None where the architecture tells it."""
    memory_bytes: int = 4 * 2**30
    """What the process may take beyond what its libraries do."""

    @property
    def resolved_task(self) -> str:
        return self.task or ("regression" if self.classes is None else "multiclass")

    def write(self, directory: Path) -> None:
        (directory / REQUEST).write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, directory: Path) -> ImportRequest:
        return cls(**json.loads((directory / REQUEST).read_text()))
