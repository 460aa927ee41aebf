"""torchkiln held against the yardstick load by load: both are up, and take turns each second.

In the rest of the benchmark a server has its loads in one piece, minutes from another's. A virtual
machine that runs at two speeds, each for seconds, then gives a ratio of speeds: here what slows
down one load is likely to slow down the next one, which is the other's, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks.serving.measure import UnderLoad
from benchmarks.serving.models import Model
from benchmarks.serving.plan import Part, Turn
from benchmarks.serving.results import Results
from benchmarks.serving.running import Bench, Running, running
from benchmarks.serving.servers import OWN, SERVERS, YARDSTICK
from benchmarks.serving.servers.base import HTTP

PAIR = (YARDSTICK, OWN)
ROUNDS = 10
SECONDS = 2
"""Of a load: short, for the next one to come soon, and long enough for the first requests of its
connections, which wait for all of these to be opened, to be well below a hundredth."""


def measure_beside(
    part: Part, model: Model, pythons: Mapping[str, Path], bench: Bench, results: Results
) -> None:
    """Add the loads of both to `results`. Raises `Failed` where one of them does not start.

    The one that is not under load costs the other next to nothing: it waits for requests.
    """
    with ExitStack() as stack:
        up = [
            stack.enter_context(
                running(
                    SERVERS[name], pythons[name], model, bench, workers=1, cores=part.server_cores
                )
            )
            for name in PAIR
        ]
        wires = [
            (server, name)
            for server in up
            for name, wire in server.server.wires.items()
            if wire.protocol == HTTP
        ]
        warm = [one for one in wires if _under_load(part, model, *one, 0, results).warm_up()]
        for connections in part.levels:
            for number in range(ROUNDS):
                for one in reversed(warm) if number % 2 else warm:
                    _under_load(part, model, *one, number, results).closed(connections)


def _under_load(
    part: Part, model: Model, server: Running, wire: str, number: int, results: Results
) -> UnderLoad:
    turn = Turn(part, model.name, server.server, 1, number)
    return UnderLoad(turn, server, wire, SECONDS, results)
