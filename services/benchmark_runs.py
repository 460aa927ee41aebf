"""A benchmark as the worker that runs it sees it: claimed and fenced like a job's attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from services import leases
from services.db.engine import Database
from services.db.tables import Benchmark
from services.ids import new_id
from services.job_state import JobStatus
from services.leases import Grip
from services.queue import Queue
from services.revision import bump
from services.settings import Settings
from services.storage import Storage


@dataclass(frozen=True)
class BenchmarkClaim:
    benchmark: Benchmark
    grip: Grip


@dataclass(frozen=True)
class Measured:
    """The figures of a finished benchmark, in the contract's form."""

    results: Sequence[Mapping[str, Any]]
    environment: Mapping[str, Any]
    winners: Mapping[str, str | None]
    host: str
    plot: Path


class BenchmarkRuns:
    def __init__(
        self, db: Database, storage: Storage, queue: Queue, settings: Settings, host: str
    ) -> None:
        self._db = db
        self._storage = storage
        self._queue = queue
        self._settings = settings
        self._host = host

    def claim(self, benchmark_id: str, worker: str) -> BenchmarkClaim | None:
        """Take a queued one. None: it is not queued (any more), or is to be made on another host,
        whose workers will hear of it again."""
        with self._db.write() as session:
            known = session.get(Benchmark, benchmark_id)
            if known is not None and known.host not in (None, self._host):
                return None
            now = self._db.now(session)
            token = leases.claim(
                session, Benchmark, benchmark_id, worker, now, self._settings.lease_s
            )
            if token is None:
                return None
            row = session.get_one(Benchmark, benchmark_id, populate_existing=True)
            row.attempts += 1
            row.started_at = row.started_at or now
            return BenchmarkClaim(row, Grip(benchmark_id, token))

    def beat(self, claim: BenchmarkClaim) -> bool:
        with self._db.write() as session:
            now = self._db.now(session)
            return (
                leases.beat(session, Benchmark, claim.grip, now, self._settings.lease_s) is not None
            )

    def succeed(self, claim: BenchmarkClaim, measured: Measured) -> bool:
        """Store the plot, then show the figures; `auto` serves by them from now on."""
        key = f"benchmarks/{claim.grip.id}/{new_id('plot')}.png"
        self._storage.put_file(measured.plot, key)
        done = self._end(
            claim,
            status=JobStatus.SUCCEEDED,
            results=[dict(row) for row in measured.results],
            environment=dict(measured.environment),
            winners=dict(measured.winners),
            host=measured.host,
            plot_key=key,
        )
        if not done:
            self._storage.delete(key)
        return done

    def fail(self, claim: BenchmarkClaim, code: str, message: str) -> bool:
        return self._end(claim, status=JobStatus.FAILED, error_code=code, error_message=message)

    def retry(self, claim: BenchmarkClaim, reason: str) -> bool:
        """The run ended through no fault of the benchmark: queue it again, or fail it at last."""
        if claim.benchmark.attempts >= self._settings.max_attempts:
            return self.fail(claim, "lost", reason)
        with self._db.write() as session:
            now = self._db.now(session)
            moved = session.execute(
                update(Benchmark)
                .where(leases.held(Benchmark, claim.grip))
                .values(status=JobStatus.QUEUED, lease_until=None, woken_at=now)
                .returning(Benchmark.id)
            ).scalar_one_or_none()
        if moved is not None:
            self._queue.wake_benchmark(claim.benchmark)
        return moved is not None

    def end_lapsed(self) -> int:
        """For the sweeper: take the runs whose worker is gone. → how many."""
        with self._db.read() as session:
            rows = session.scalars(
                select(Benchmark).where(leases.lapsed(Benchmark, self._db.now(session)))
            ).all()
        claims = [BenchmarkClaim(row, Grip(row.id, row.token)) for row in rows]
        return sum(self.retry(claim, "the worker that ran it is gone") for claim in claims)

    def _end(self, claim: BenchmarkClaim, **values: Any) -> bool:
        with self._db.write() as session:
            now = self._db.now(session)
            moved = session.execute(
                update(Benchmark)
                .where(leases.held(Benchmark, claim.grip))
                .values(lease_until=None, finished_at=now, **values)
                .returning(Benchmark.id)
            ).scalar_one_or_none()
            if moved is not None:
                bump(session)
            return moved is not None
