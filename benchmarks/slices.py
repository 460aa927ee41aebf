"""What several processes answer, where each has as much processor as one: as root, and with wrk,
`python -m benchmarks.slices`.

On a machine of few cores these run out before anything else can be seen: two servers and what asks
them, on two cores, say nothing of whether processes are in each other's way. Here every process has
a fifth of a core and no more, by a quota of the kernel (a control group). Four of them are on one
core and what asks them is on another, so that there is processor left.

As many connections for each process: what a request costs depends on how many come at once.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.serving import wrk
from benchmarks.serving.kiln import prepared
from benchmarks.serving.load import Load
from benchmarks.serving.models import TITLES, export
from benchmarks.serving.running import Bench, Running, running
from benchmarks.serving.servers import OWN, SERVERS
from benchmarks.serving.servers.base import HOST, HTTP, Launch, Server, Site
from models.latency import environment

PROCESSES = (1, 2, 4)
SHARE = 0.2
"""Of a core, for each."""
PERIOD_US = 10_000
"""In which a process may use its share: short beside a load, long beside a request."""
CONNECTIONS = 32
"""To each process."""
MODEL = "mlp"
SERVER_CORES, LOAD_CORES = "0", "1"
CGROUPS = Path("/sys/fs/cgroup")
ENTER = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
HEAD = ("wire", "processes", "cores", "req/s", "p50, p99 ms", "a process, of one alone")


@dataclass(frozen=True)
class Slice:
    """A control group of version 1 or 2 that one process starts in."""

    directory: Path

    def limit(self) -> None:
        """From now on. Raises `OSError` where this machine does not allow it."""
        quota = round(SHARE * PERIOD_US)
        if (self.directory / "cpu.max").exists():
            (self.directory / "cpu.max").write_text(f"{quota} {PERIOD_US}")
        else:
            (self.directory / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (self.directory / "cpu.cfs_quota_us").write_text(str(quota))


@contextmanager
def slices(count: int) -> Generator[list[Slice]]:
    """Empty ones, which have to be empty again in the end. Raises `OSError`, as `limit` does."""
    home = CGROUPS / "cpu" if (CGROUPS / "cpu").is_dir() else CGROUPS
    made = [Slice(home / f"torchkiln-bench-{os.getpid()}-{number}") for number in range(count)]
    try:
        for one in made:
            one.directory.mkdir()
        yield made
    finally:
        for one in made:
            if one.directory.exists():
                one.directory.rmdir()


def within(server: Server, groups: Iterator[Slice]) -> Server:
    """The server, each of whose processes starts in a slice of its own."""

    def launch(site: Site) -> Launch:
        plain = server.launch(site)
        return Launch(
            [["sh", "-c", ENTER, str(next(groups).directory), *one] for one in plain.commands],
            plain.env,
        )

    return replace(server, launch=launch)


def measure(up: Sequence[Running], wire: str, rounds: int, seconds: int) -> list[list[Load]]:
    """The loads of each, in turns."""
    found: list[list[Load]] = [[] for _ in up]
    for number in range(rounds + 1):
        for index in reversed(range(len(up))) if number % 2 else range(len(up)):
            one = up[index]
            load = wrk.run(
                f"http://{HOST}:{one.server.wires[wire].port(one.site)}",
                one.request(wire),
                connections=CONNECTIONS * one.site.workers,
                seconds=seconds,
                cores=LOAD_CORES,
            )
            if number:  # the first is to warm up
                found[index].append(load)
    return found


def lines(up: Sequence[Running], rounds: int, seconds: int) -> Iterator[str]:
    """Of a Markdown table."""
    yield f"| {' | '.join(HEAD)} |"
    yield "|" + " --- |" * len(HEAD)
    wires = [name for name, wire in up[0].server.wires.items() if wire.protocol == HTTP]
    for wire in wires:
        found = measure(up, wire, rounds, seconds)
        for one, loads in zip(up, found, strict=True):
            several = one.site.workers
            of_one = _median(
                a.requests_per_s / b.requests_per_s / several
                for a, b in zip(loads, found[0], strict=True)
            )
            rate = _median(load.requests_per_s for load in loads)
            p50, p99 = (_median(take(load) for load in loads) for take in (_p50, _p99))
            cells = [wire, str(several), f"{several * SHARE:.1f}", f"{rate:,.0f}"]
            yield f"| {' | '.join([*cells, f'{p50:.2f}, {p99:.2f}', f'**{of_one:.2f}**'])} |"


_median: Callable[[Iterator[float]], float] = statistics.median


def _p50(load: Load) -> float:
    return load.p50_ms


def _p99(load: Load) -> float:
    return load.p99_ms


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slices", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2, help="of each load")
    options = parser.parse_args()
    try:
        run(options.rounds, options.seconds)
    except OSError as error:
        print(f"expected to be root on Linux, with {CGROUPS} to write to, got {error}")
        return 1
    return 0


def run(rounds: int, seconds: int) -> None:
    """Print the table. Raises `OSError`, as `slices` does."""
    with ExitStack() as stack:
        groups = stack.enter_context(slices(sum(PROCESSES)))
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-slices-")))
        model = export(MODEL, directory / "models")
        bench = Bench(stack.enter_context(prepared([model], directory / "kiln")), directory / "run")
        free, python = iter(groups), Path(sys.executable)
        up: list[Running] = []
        for workers in PROCESSES:
            server = replace(within(SERVERS[OWN], free), name=f"{OWN}-{workers}")
            one = running(server, python, model, bench, workers=workers, cores=SERVER_CORES)
            up.append(stack.enter_context(one))
        for group in groups:  # only now: starting is not what is measured
            group.limit()
        print(f"## Several API processes, {TITLES[MODEL]} as ONNX\n")
        for line in lines(up, rounds, seconds):
            print(line, flush=True)
    about = environment(None)
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    print(
        f"\n{about['cpu_model']}, {about['cores']} cores; {versions}; {about['os']}; "
        f"{about['date']}. {SHARE} of a core for each process, {CONNECTIONS} connections to each; "
        f"medians of {rounds} rounds in turns, of {seconds} s each."
    )


if __name__ == "__main__":
    raise SystemExit(main())
