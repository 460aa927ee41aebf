"""What is measured: the parts of the benchmark, and the levels of load in each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.serving.servers import OWN, SERVERS, YARDSTICK
from benchmarks.serving.servers.base import Server

PINNED, SHARED, BESIDE = "pinned", "shared", "beside"
LEVELS = (1, 16, 64)
MOST = LEVELS[-1]
WARM_UP_S = 1
WARM_UP_CONNECTIONS = 16
QUICK = (YARDSTICK, OWN, "fastapi", "mlserver")


@dataclass(frozen=True)
class Part:
    """A way to share the machine between server and load generator."""

    name: str
    models: Sequence[str]
    levels: Sequence[int]
    server_cores: str
    load_cores: str
    open_loop: Sequence[str] = ()
    """Models for which the open loop follows the closed one."""


PARTS = (
    Part(PINNED, ("mlp", "tiny"), LEVELS, "0", "1", open_loop=("mlp",)),
    Part(SHARED, ("mlp",), (MOST,), "0,1", "0,1"),
    Part(BESIDE, ("mlp", "tiny"), LEVELS, "0", "1"),
)
PARTS_QUICK = (Part(PINNED, ("mlp",), LEVELS, "0", "1", open_loop=("mlp",)),)


@dataclass(frozen=True)
class Turn:
    """One start of one server."""

    part: Part
    model: str
    server: Server
    workers: int
    round: int

    @property
    def title(self) -> str:
        return f"{self.part.name}, {self.model}, {self.server.name} x {self.workers}"


def turns(parts: Sequence[Part], names: Sequence[str], rounds: int) -> Iterator[Turn]:
    """Every server once in each round of a part and a model, in the opposite order in every other
    round: what the machine does over time then falls on all alike. Not of `BESIDE`, where two are
    up at once."""
    for part in parts:
        for model in part.models if part.name != BESIDE else ():
            for number in range(rounds):
                ordered = [
                    Turn(part, model, SERVERS[name], workers, number)
                    for name in names
                    for workers in _workers(part, name)
                ]
                yield from reversed(ordered) if number % 2 else ordered


def _workers(part: Part, name: str) -> tuple[int, ...]:
    """One on one core; two where there are two, and one beside them of what is to scale."""
    if part.name == PINNED:
        return (1,)
    return (1, 2) if name in (YARDSTICK, OWN) else (2,)
