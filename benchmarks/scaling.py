"""What a database bears of this service, and what a job leaves: `python -m benchmarks.scaling`.

For SQLite and, where this machine has its programs, PostgreSQL, each on this machine's disk with
every commit synced. A rate is of this program's writers, which share the machine with the server:
the seconds of processor that an operation takes on either side are what other machines can be
reckoned with. docs/scaling.md does.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from benchmarks.registry import Nobody
from benchmarks.scaling_loads import Load, Loads, all_loads, report
from models.latency import environment
from services import counts
from services.container import Container
from services.db import migrate
from services.db.engine import Database
from services.db.tables import Job
from services.job_state import TERMINAL
from services.settings import Settings
from tests.support import postgres

WRITERS = (1, 8)
TICKS = os.sysconf("SC_CLK_TCK")
SIZED_JOBS, SIZED_EVENTS = 500, 20_000
COUNTED_JOBS, COUNTS = 200_000, 5
HEAD = ["operation", *(f"a second, {n} at a time" for n in WRITERS), "ms here", "ms in the server"]


@dataclass(frozen=True)
class Pace:
    a_second: float
    here_ms: float
    """Of processor, an operation, in this process."""
    server_ms: float


def pace(begin: Callable[[], Load], writers: int, seconds: float, server_s: Clock) -> Pace:
    loads = [begin() for _ in range(writers)]
    counts = [0] * writers
    began, here, there = time.monotonic(), time.process_time(), server_s()

    def write(index: int) -> None:
        while time.monotonic() < began + seconds:
            loads[index]()
            counts[index] += 1

    threads = [threading.Thread(target=write, args=(index,)) for index in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total, took = sum(counts), time.monotonic() - began
    spent = (time.process_time() - here, server_s() - there)
    return Pace(total / took, 1e3 * spent[0] / total, 1e3 * spent[1] / total)


Clock = Callable[[], float]
"""Seconds of processor that the database's own processes have taken."""


def family_s(leader: int) -> float:
    """Of a process, its children, and those that it has seen end."""
    found = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        ticks = [int(one) for one in fields[11:15]]
        if int(stat.parent.name) == leader:
            found += sum(ticks)
        elif int(fields[1]) == leader:
            found += sum(ticks[:2])
    return found / TICKS


def bytes_left(loads: Loads) -> tuple[float, float]:
    """→ bytes that a job without events takes in the database, and an event."""
    attempts = loads.container.attempts
    before = size_bytes(loads.container)
    for _ in range(SIZED_JOBS):
        attempts.succeed(loads.claimed(), {"test_accuracy": 0.5})
    between = size_bytes(loads.container)
    claim = loads.claimed()
    for _ in range(SIZED_EVENTS // 100):
        attempts.record(claim, report(100))
    after = size_bytes(loads.container)
    return (between - before) / SIZED_JOBS, (after - between) / SIZED_EVENTS


def count_ms(loads: Loads, rows: int) -> tuple[float, float]:
    """With so many more jobs that have ended in the table: how long counting those that have not
    takes, as each scrape does, and counting those that have, as is done in the background."""
    once = loads.job()
    once()
    copied = ", ".join(column.name for column in Job.__table__.columns if column.name != "id")
    with loads.container.db.write() as session:
        session.execute(
            text(
                f"INSERT INTO jobs (id, {copied}) "
                f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) "
                f"SELECT 'copy_' || i, {copied} FROM n, (SELECT * FROM jobs LIMIT 1) AS one"
            )
        )
    db = loads.container.db
    return _took_ms(lambda: _scrape(db)), _took_ms(lambda: counts.by_status(db, Job, TERMINAL))


def _scrape(db: Database) -> None:
    counts.by_status(db, Job)
    counts.queued_jobs(db)
    counts.lapsed_jobs(db)


def _took_ms(count: Callable[[], object]) -> float:
    began = time.monotonic()
    for _ in range(COUNTS):
        count()
    return 1e3 * (time.monotonic() - began) / COUNTS


def size_bytes(container: Container) -> int:
    asked = "SELECT pg_database_size(current_database())"
    if container.db.is_sqlite:
        asked = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    with container.db.read() as session:
        return session.execute(text(asked)).scalar_one()


@contextmanager
def services(url: str) -> Generator[Loads]:
    with tempfile.TemporaryDirectory() as directory:
        # No lease lapses here: what a sweep does then is another operation.
        settings = Settings(data_dir=Path(directory), database_url=url, lease_s=3600)
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        container = Container(settings, queue=Nobody())
        try:
            migrate.upgrade(container.db)
            yield Loads(container)
        finally:
            container.close()


def measure(name: str, loads: Loads, seconds: float, server_s: Clock) -> None:
    rows: list[Sequence[str]] = []
    for operation, begin in all_loads(loads).items():
        found = [pace(begin, writers, seconds, server_s) for writers in WRITERS]
        cost = found[-1]
        rates = [f"{one.a_second:,.0f}" for one in found]
        rows.append([operation, *rates, f"{cost.here_ms:.2f}", f"{cost.server_ms:.2f}"])
    job, event = bytes_left(loads)
    print(f"## {name}\n")
    for row in (HEAD, ["---"] * len(HEAD), *rows):
        print(f"| {' | '.join(row)} |")
    open_ms, ended_ms = count_ms(loads, COUNTED_JOBS)
    print(f"\nIn the database: {job:,.0f} bytes a job, {event:,.0f} an event of metrics.")
    print(f"With {COUNTED_JOBS:,} jobs that have ended, a scrape counts those that have not in")
    print(
        f"{open_ms:.1f} ms; those that have are counted in the background, in {ended_ms:.0f} ms.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each figure")
    seconds: float = parser.parse_args().seconds
    load = os.getloadavg()[0]
    with services("") as loads:
        measure("SQLite", loads, seconds, lambda: 0.0)
    if programs := postgres.binaries():
        with postgres.server(programs, durable=True) as url, services(url) as loads:
            leader = leader_of(url)
            measure("PostgreSQL", loads, seconds, lambda: family_s(leader))
    about = environment(None)
    print(
        f"{about['cpu_model']}, {about['cores']} cores, load average before it {load:.1f};", end=" "
    )
    print(f"python {about['versions']['python']}, {about['os']}; {about['date']}")


def leader_of(url: str) -> int:
    """The first process of a server whose socket is in the URL, beside its data."""
    file = Path(url.partition("host=")[2], "data", "postmaster.pid")
    return int(file.read_text().split()[0])


if __name__ == "__main__":
    main()
