"""Latency benchmarks as their owners see them: ask for one, look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, tuple_

from models.backends import EVERY
from services.db.engine import Database
from services.db.tables import Benchmark
from services.errors import Conflict, FieldError, Invalid, NotFound
from services.ids import new_id
from services.job_state import JobStatus
from services.paging import Page
from services.promotion import automatic, certified
from services.queue import Queue
from services.registry import Registry, VersionView

MAX_BATCH_SIZE = 4096
MAX_THREADS = 256


@dataclass(frozen=True)
class NewBenchmark:
    model: str
    version: str | None = None
    """A number or an alias; None is the champion."""
    backends: Sequence[str] | None = None
    """None is all that `auto` may pick."""
    batch_sizes: Sequence[int] = (1, 8, 32)
    threads: int | None = None
    """Threads of one call; None loads each backend as a serving process of the host would, which
    has found out what is fastest there."""
    min_time_s: float = 0.5
    """For each backend and batch size, at least."""


class Benchmarks:
    def __init__(self, db: Database, queue: Queue, registry: Registry) -> None:
        self._db = db
        self._queue = queue
        self._registry = registry

    def submit(self, new: NewBenchmark) -> Benchmark:
        """Raises `NotFound` (`model_not_found`, …), `Invalid`, `Conflict` (`not_certified`)."""
        version = self._registry.version(new.model, new.version)
        _check(new)
        request = request_of(new, _backends(new, version))
        with self._db.write() as session:
            now = self._db.now(session)
            row = Benchmark(
                id=new_id("bench"),
                model=new.model,
                version=version.row.version,
                request=request,
                status=JobStatus.QUEUED,
                token=0,
                attempts=0,
                created_at=now,
                woken_at=now,
            )
            session.add(row)
        self._queue.wake_benchmark(row)
        return self.get(row.id)

    def get(self, benchmark_id: str) -> Benchmark:
        with self._db.read() as session:
            row = session.get(Benchmark, benchmark_id)
            if row is None:
                raise NotFound(
                    f"no benchmark has the id {benchmark_id}", code="benchmark_not_found"
                )
            return row

    def list(
        self, *, model: str | None = None, limit: int = 50, after: str | None = None
    ) -> Page[Benchmark]:
        """Newest first."""
        with self._db.read() as session:
            query = select(Benchmark)
            if model is not None:
                query = query.where(Benchmark.model == model)
            if after is not None:
                last = session.get(Benchmark, after)
                if last is None:
                    raise Invalid(
                        "there is no such page",
                        errors=(
                            FieldError("after", f"expected the id of a benchmark, got {after!r}"),
                        ),
                    )
                query = query.where(
                    tuple_(Benchmark.created_at, Benchmark.id) < tuple_(last.created_at, last.id)
                )
            query = query.order_by(Benchmark.created_at.desc(), Benchmark.id.desc())
            return Page.cut(session.scalars(query.limit(limit + 1)).all(), limit)


def request_of(new: NewBenchmark, backends: Sequence[str]) -> dict[str, Any]:
    """What a worker is told."""
    return {
        "backends": list(backends),
        "batch_sizes": sorted(set(new.batch_sizes)),
        "threads": new.threads,
        "min_time_s": new.min_time_s,
    }


def _check(new: NewBenchmark) -> None:
    problems: list[FieldError] = []
    if not 1 <= len(new.batch_sizes) <= 16:
        problems.append(
            FieldError("batch_sizes", f"expected 1 to 16 sizes, got {len(new.batch_sizes)}")
        )
    problems += [
        FieldError("batch_sizes", f"expected 1 to {MAX_BATCH_SIZE}, got {size}")
        for size in new.batch_sizes
        if not 1 <= size <= MAX_BATCH_SIZE
    ]
    if new.threads is not None and not 1 <= new.threads <= MAX_THREADS:
        problems.append(FieldError("threads", f"expected 1 to {MAX_THREADS}, got {new.threads}"))
    if not 0.01 <= new.min_time_s <= 60:
        problems.append(FieldError("min_time_s", f"expected 0.01 to 60, got {new.min_time_s}"))
    for name in new.backends or ():
        if name not in EVERY:
            known = ", ".join(EVERY)
            problems.append(FieldError("backends", f"expected some of {known}, got {name!r}"))
    if new.backends is not None and not new.backends:
        problems.append(FieldError("backends", "expected at least one backend, got none"))
    if problems:
        raise Invalid("the benchmark cannot be run as it stands", errors=tuple(problems))


def _backends(new: NewBenchmark, version: VersionView) -> list[str]:
    allowed = certified(version.row.backends)
    wanted = (
        automatic(version.row.backends)
        if new.backends is None
        else list(dict.fromkeys(new.backends))
    )
    refused = [name for name in wanted if name not in allowed]
    if refused or not wanted:
        raise Conflict(
            f"{new.model} version {version.row.version} is certified for "
            f"{', '.join(allowed) or 'no backend'}, not for {', '.join(refused) or 'any'}",
            code="not_certified",
        )
    return wanted
