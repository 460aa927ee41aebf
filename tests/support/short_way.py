"""One model behind a short way of inference, without sockets or a registry."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.http_stats import HttpStats
from models.rows import Tensors
from services.keys import Scope
from services.serving.key import Key
from services.serving.pace import Pace
from services.serving.runners import LoadedRunner
from services.serving.stats import PredictionStats
from services.serving.versions import ServedVersion
from tests.services.serving.conftest import version

MAX_ROWS = 8
POISON, HUGE, TOO_LARGE = -1.0, 3e38, 1e39
"""What the model fails on, what it makes infinite, and what no float32 holds."""
INLINE, THREAD = Pace(0.0, 1e-9), Pace(0.0, 1.0)


class Memory:
    """A model with memory of its own, as `Binds` has it."""

    def __init__(self, model: Model, shape: tuple[int, ...]) -> None:
        self.inputs: NDArray[Any] = np.full(shape, np.nan, np.float32)
        self.outputs: dict[str, NDArray[Any]] = {"y": np.full(shape, np.nan, np.float32)}
        self._model = model

    def compute(self) -> None:
        self.outputs["y"][...] = self._model.run({"x": self.inputs})["y"]
        self._model.bound_runs += 1


class Model:
    """Doubles each row; fails on a batch with a poisoned one."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.bound_runs = 0

    def bound(self, shape: tuple[int, ...]) -> Memory | None:
        return Memory(self, shape) if len(self.batches) > 1 else None

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        rows = inputs["x"]
        self.batches.append(len(rows))
        if rows.dtype != np.float32 or (rows == POISON).any():
            raise RuntimeError("poisoned")
        with np.errstate(over="ignore"):
            return {"y": rows * 2}

    def close(self) -> None: ...


class Served:
    """What an application's state has of it."""

    def __init__(self, pace: Pace) -> None:
        self.version: ServedVersion = version()
        self.model = Model()
        self.loaded = LoadedRunner(self.model, pace, 1, 1e9, max_batch_rows=MAX_ROWS)
        self.pause_s = 0.0 if pace is INLINE else 0.0005
        self.stats = PredictionStats()
        self.http = HttpStats()
        engine = SimpleNamespace(
            watch=SimpleNamespace(refs={("demo", None): self.version}, unloaded=frozenset[str]()),
            cache=SimpleNamespace(peek=self._loaded),
            stats_of=self._stats,
        )
        self.state: Any = SimpleNamespace(
            engine=engine,
            authenticator=SimpleNamespace(allows=self._allows, news=lambda *_: None),
            http_stats=self.http,
            max_body_bytes=10_000,
        )

    def _loaded(self, _key: Key) -> LoadedRunner:
        return self.loaded

    def _stats(self, _served: ServedVersion, _backend: str) -> PredictionStats:
        return self.stats

    def _allows(self, _scope: Scope, _secret: bytes | None, now: float) -> bool:
        return now > 0

    @property
    def answered(self) -> dict[int, int]:
        return {key.status: stats.count for key, stats in self.http.routes.items() if stats.count}
