"""A backend whose runners move a clock instead of taking time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.backends.base import DEFAULTS, Options, Runner
from models.errors import ExportFailed
from models.rows import Tensors, row_count
from models.signature import Signature
from tests.support.models import signature

SIGNATURE = signature((3,), 3)
LOAD_S = 0.01


@dataclass
class Fake:
    """`costs`: seconds of a call of so many rows, by the option's `way` and the threads."""

    cost: Callable[[str, int | None, int], float]
    ways: tuple[str, ...] = ()
    compiled_ways: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    """Ways that answer something else."""
    broken: Mapping[str, Exception] = field(default_factory=dict[str, Exception])
    """Ways that cannot be loaded."""
    now: float = 100.0
    loaded: list[FakeRunner] = field(default_factory=list["FakeRunner"])
    name: str = "fake"
    file: str = "model.bin"
    media_type: str = "application/octet-stream"

    def clock(self) -> float:
        return self.now

    def export(self, *_: Any) -> None: ...

    def load(
        self,
        directory: Path,
        signature: Signature,
        *,
        threads: int | None = None,
        options: Options = DEFAULTS,
    ) -> Runner:
        way: str = options.get("way", "default")
        self.now += LOAD_S
        if not (directory / self.file).is_file():
            raise ExportFailed(f"{self.file} is missing")
        if way in self.broken:
            raise self.broken[way]
        self.loaded.append(FakeRunner(self, way, threads))
        return self.loaded[-1]

    def choices(self, signature: Signature, *, compiled: Path | None = None) -> tuple[Options, ...]:
        ways = self.ways if compiled is None else (*self.ways, *self.compiled_ways)
        return tuple({"way": way} for way in ways)

    @property
    def still_open(self) -> list[tuple[str, int | None]]:
        return [(one.way, one.threads) for one in self.loaded if not one.closed]


@dataclass
class FakeRunner:
    backend: Fake
    way: str
    threads: int | None
    closed: bool = False
    calls: int = 0

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        assert not self.closed
        self.calls += 1
        self.backend.now += self.backend.cost(self.way, self.threads, row_count(inputs))
        (rows,) = inputs.values()
        return {"answer": rows * np.float32(1.1 if self.way in self.backend.wrong else 1)}

    def close(self) -> None:
        self.closed = True


def costs(**ways: float) -> Callable[[str, int | None, int], float]:
    """Microseconds of a row, and ten rows' worth for the call, whatever the threads."""
    return lambda way, _threads, rows: ways[way] * 1e-6 * (rows + 10)
