"""The command: `python -m benchmarks.serving`, or `make bench-serving`."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.serving import venvs
from benchmarks.serving.about import about
from benchmarks.serving.asking import Failed
from benchmarks.serving.beside import measure_beside
from benchmarks.serving.kiln import prepared
from benchmarks.serving.measure import measure
from benchmarks.serving.models import Model, export
from benchmarks.serving.options import Options, parse
from benchmarks.serving.plan import BESIDE, Turn, turns
from benchmarks.serving.report import NAME, write
from benchmarks.serving.results import Failure, Results
from benchmarks.serving.running import Bench, running
from benchmarks.serving.servers import OWN, SERVERS, YARDSTICK


def say(line: str) -> None:
    print(line, flush=True)


def interpreters(names: Sequence[str], results: Results) -> dict[str, Path]:
    """By server; one that cannot be installed is a failure in the report, and is not there."""
    found: dict[str, Path] = {}
    for name in names:
        try:
            found[name] = venvs.python_of(SERVERS[name], say)
        except venvs.NotInstalled as error:
            results.failures.append(Failure(name, "installation", str(error)))
            say(f"{name}: {error}")
    return found


def run(options: Options, results: Results, pythons: Mapping[str, Path]) -> None:
    """Every turn. What has not started is not started again in a later round."""
    names = [name for name in options.names if name in pythons]
    dead: set[tuple[str, str, int]] = set()
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as folder:
        directory = Path(folder)
        wanted = dict.fromkeys(model for part in options.parts for model in part.models)
        models = {name: export(name, directory / "models") for name in wanted}
        with prepared(list(models.values()), directory / "kiln") as kiln:
            bench = Bench(kiln, directory / "run")
            for turn in turns(options.parts, names, options.rounds):
                setup = (turn.model, turn.server.name, turn.workers)
                if setup not in dead:
                    began = time.monotonic()
                    if not take(turn, pythons, models[turn.model], bench, options, results):
                        dead.add(setup)
                    say(f"round {turn.round + 1}: {turn.title}: {time.monotonic() - began:.0f} s")
            if {OWN, YARDSTICK} <= set(names):
                beside(options, pythons, models, bench, results)


def beside(
    options: Options,
    pythons: Mapping[str, Path],
    models: Mapping[str, Model],
    bench: Bench,
    results: Results,
) -> None:
    for part in options.parts:
        for name in part.models if part.name == BESIDE else ():
            began = time.monotonic()
            try:
                measure_beside(part, models[name], pythons, bench, results)
            except Failed as error:
                results.failures.append(Failure(OWN, f"{BESIDE}, {name}", str(error)))
            say(f"{part.name}, {name}: {time.monotonic() - began:.0f} s")


def take(
    turn: Turn,
    pythons: Mapping[str, Path],
    model: Model,
    bench: Bench,
    options: Options,
    results: Results,
) -> bool:
    """One turn. → whether the server started and answered rightly."""
    python = pythons[turn.server.name]
    cores = turn.part.server_cores
    try:
        with running(
            turn.server, python, model, bench, workers=turn.workers, cores=cores
        ) as started:
            measure(turn, started, options.seconds, results)
    except Failed as error:
        results.failures.append(Failure(turn.server.name, turn.title, str(error)))
        say(f"{turn.title}: {error}")
        return False
    return True


def main() -> int:
    options = parse()
    results = Results({})
    pythons = interpreters(options.names, results)
    environments = {name: venvs.frozen(SERVERS[name]) for name in pythons}
    results.about = about(sys.argv[1:], environments)
    options.output.mkdir(parents=True, exist_ok=True)
    try:
        run(options, results, pythons)
    finally:  # what was measured is kept, whatever ended it
        results.save(options.output / f"{NAME}.json")
    say(write(results, options))
    # What a peer cannot do is a line of the report, and no failure of the benchmark.
    return 1 if {OWN, YARDSTICK} & {failure.server for failure in results.failures} else 0


if __name__ == "__main__":
    sys.exit(main())
