"""What API processes have counted, in a form that can be sent to another one and added up."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from api.http_stats import HttpStats, RouteKey, RouteStats
from services.serving.engine import Engine
from services.serving.key import Key
from services.serving.stats import PredictionStats


@dataclass
class Figures:
    processes: int = 0
    routes: dict[RouteKey, RouteStats] = field(default_factory=dict[RouteKey, RouteStats])
    predictions: dict[Key, PredictionStats] = field(default_factory=dict[Key, PredictionStats])
    models_loaded: int = 0
    models_bytes: int = 0
    waiting: dict[Key, int] = field(default_factory=dict[Key, int])

    @classmethod
    def of(cls, http: HttpStats, engine: Engine) -> Figures:
        """This process's own."""
        loaded, size = len(tuple(engine.cache)), engine.cache.used_bytes
        return cls(1, dict(http.routes), dict(engine.stats), loaded, size, engine.cache.waiting())

    def __add__(self, other: Figures) -> Figures:
        routes = {key: _sum_of_routes(self, other, key) for key in self.routes | other.routes}
        predictions: dict[Key, PredictionStats] = {}
        for key in self.predictions | other.predictions:
            total = predictions[key] = PredictionStats()
            for part in (self, other):
                if key in part.predictions:
                    total.add(part.predictions[key])
        return Figures(
            self.processes + other.processes,
            routes,
            predictions,
            self.models_loaded + other.models_loaded,
            self.models_bytes + other.models_bytes,
            {
                key: self.waiting.get(key, 0) + other.waiting.get(key, 0)
                for key in self.waiting | other.waiting
            },
        )

    def to_bytes(self) -> bytes:
        told = {
            "processes": self.processes,
            "routes": [[list(key), asdict(value)] for key, value in self.routes.items()],
            "predictions": [[list(key), _told(value)] for key, value in self.predictions.items()],
            "models_loaded": self.models_loaded,
            "models_bytes": self.models_bytes,
            "waiting": [[list(key), count] for key, count in self.waiting.items()],
        }
        return orjson.dumps(told)

    @classmethod
    def from_bytes(cls, data: bytes) -> Figures:
        """Raises ValueError, KeyError or TypeError for what another release has sent."""
        told = orjson.loads(data)
        told["routes"] = {RouteKey(*key): RouteStats(**value) for key, value in told["routes"]}
        told["predictions"] = {Key(*key): _heard(value) for key, value in told["predictions"]}
        told["waiting"] = {Key(*key): count for key, count in told["waiting"]}
        return cls(**told)


def _sum_of_routes(one: Figures, other: Figures, key: RouteKey) -> RouteStats:
    parts = [part.routes[key] for part in (one, other) if key in part.routes]
    return RouteStats(
        sum(part.count for part in parts),
        sum(part.seconds for part in parts),
        [sum(counts) for counts in zip(*(part.buckets for part in parts), strict=True)],
    )


def _told(stats: PredictionStats) -> dict[str, Any]:
    return {**asdict(stats), "batches": list(stats.batches.items())}


def _heard(told: dict[str, Any]) -> PredictionStats:
    batches = {rows: (count, ns) for rows, (count, ns) in told.pop("batches")}
    return PredictionStats(**told, batches=batches)
