"""What keeps `auto` true: a champion that was measured on this host before its processor, cores or
libraries changed is measured again. Any number of workers may look at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from models import fingerprints
from models.backends import EVERY
from models.fingerprints import Fingerprint
from services.benchmarks import NewBenchmark, request_of
from services.db.engine import Database
from services.db.tables import Alias, Benchmark, Model, ModelVersion
from services.ids import new_id
from services.job_state import ACTIVE, JobStatus
from services.preferences import compared
from services.promotion import CHAMPION, automatic
from services.queue import Queue
from services.settings import AutoBenchmark

PAUSE = timedelta(minutes=10)
"""So long after the last benchmark of a version none is asked for, however that one ended."""
GIVEN_UP = timedelta(days=1)
"""After so long in the queue there is no host any more that a benchmark was meant for."""

log: Any = structlog.get_logger(__name__)


class Remeasurer:
    def __init__(
        self,
        db: Database,
        queue: Queue,
        host: str,
        which: AutoBenchmark,
        *,
        fingerprint: Callable[[], Fingerprint] = fingerprints.present,
    ) -> None:
        """`which`: `stale` figures, those of `all` champions whether measured before or not, or
        `off`."""
        self._db = db
        self._queue = queue
        self._host = host
        self._which = which
        self._fingerprint = fingerprint

    def run(self) -> int:
        """→ how many benchmarks were asked for."""
        if self._which == "off":
            return 0
        self._give_up()
        with self._db.read() as session:
            now = self._db.now(session)
            due = [row.name for row in _champions(session) if self._request(session, row, now)]
        return sum(self._submit(name) for name in due)

    def _submit(self, name: str) -> bool:
        """Look again while holding the model's row, so that of several workers one asks."""
        with self._db.write() as session:
            session.get(Model, name, with_for_update=True)
            now = self._db.now(session)
            version = next((row for row in _champions(session) if row.name == name), None)
            request = None if version is None else self._request(session, version, now)
            if version is None or request is None:
                return False
            row = Benchmark(
                id=new_id("bench"),
                model=name,
                version=version.version,
                request=request,
                status=JobStatus.QUEUED,
                token=0,
                attempts=0,
                created_at=now,
                woken_at=now,
                host=self._host,
            )
            session.add(row)
        log.info("measured_again", model=name, version=row.version, benchmark_id=row.id)
        self._queue.wake_benchmark(row)
        return True

    def _request(self, session: Session, row: ModelVersion, now: datetime) -> dict[str, Any] | None:
        """What to measure of a champion; None where nothing is to be done about it."""
        backends = [name for name in automatic(row.backends) if name in EVERY]
        known = session.scalars(
            select(Benchmark)
            .where(
                Benchmark.model == row.name,
                Benchmark.version == row.version,
                Benchmark.host == self._host,
            )
            .order_by(Benchmark.created_at.desc())
        ).all()
        if len(backends) < 2 or _is_under_way(known, now):
            return None
        told = [one for one in known if compared(row, one)]
        if any(fingerprints.of(one.environment) == self._fingerprint() for one in told):
            return None
        if told:
            return {**told[0].request, "backends": backends}
        return request_of(NewBenchmark(row.name), backends) if self._which == "all" else None

    def _give_up(self) -> None:
        with self._db.write() as session:
            now = self._db.now(session)
            session.execute(
                update(Benchmark)
                .where(
                    Benchmark.status == JobStatus.QUEUED,
                    Benchmark.host.is_not(None),
                    Benchmark.created_at < now - GIVEN_UP,
                )
                .values(
                    status=JobStatus.FAILED,
                    finished_at=now,
                    error_code="lost",
                    error_message="no worker of its host has taken it for a day",
                )
            )


def _champions(session: Session) -> Sequence[ModelVersion]:
    return session.scalars(
        select(ModelVersion)
        .join(Alias, (Alias.name == ModelVersion.name) & (Alias.version == ModelVersion.version))
        .where(Alias.alias == CHAMPION)
    ).all()


def _is_under_way(known: Sequence[Benchmark], now: datetime) -> bool:
    """Whether one is queued or running, or was so recently that another would say the same."""
    if any(one.status == JobStatus.QUEUED or one.status in ACTIVE for one in known):
        return True
    return bool(known) and known[0].created_at > now - PAUSE
