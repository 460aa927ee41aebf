"""Which backend is the fastest for a version, by the benchmarks of this host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import fingerprints
from models.backends import EVERY
from models.fingerprints import Fingerprint
from services.db.tables import Benchmark, ModelVersion
from services.job_state import JobStatus
from services.promotion import automatic


def measured_here(
    session: Session, names: Iterable[str], host: str, fingerprint: Fingerprint
) -> dict[tuple[str, int], list[Benchmark]]:
    """Those of this host as it is now that have figures, the latest first."""
    rows = session.scalars(
        select(Benchmark)
        .where(
            Benchmark.model.in_(names),
            Benchmark.host == host,
            Benchmark.status == JobStatus.SUCCEEDED,
        )
        .order_by(Benchmark.finished_at.desc())
    )
    found: dict[tuple[str, int], list[Benchmark]] = {}
    for row in rows:
        if fingerprints.of(row.environment) == fingerprint:
            found.setdefault((row.model, row.version), []).append(row)
    return found


def preferred(row: ModelVersion, benchmarks: Iterable[Benchmark]) -> dict[str, str] | None:
    """By the latest benchmark that compared all backends that may answer."""
    for benchmark in benchmarks:
        figures = compared(row, benchmark)
        if figures:
            sizes = sorted({one["batch_size"] for one in figures})
            return {str(size): _fastest(figures, size) for size in sizes}
    return None


def compared(row: ModelVersion, benchmark: Benchmark) -> list[Mapping[str, Any]]:
    """The figures of the backends that `auto` may choose from, or none where one is missing: a
    benchmark that looked at some of them cannot tell which is the fastest."""
    allowed = {name for name in automatic(row.backends) if name in EVERY}
    figures = [one for one in benchmark.results or [] if one["backend"] in allowed]
    return figures if {one["backend"] for one in figures} == allowed else []


def _fastest(figures: Iterable[Mapping[str, Any]], size: int) -> str:
    measured = [one for one in figures if one["batch_size"] == size]
    return min(measured, key=lambda one: one["mean_ms"])["backend"]
