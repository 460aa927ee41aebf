"""Latency benchmarks."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from api.schemas.common import RequestModel, ResponseModel, Time
from api.schemas.jobs import WorkError, work_error
from services.benchmarks import MAX_THREADS, NewBenchmark
from services.db.tables import Benchmark
from services.job_state import JobStatus


class BenchmarkIn(RequestModel):
    model: str = Field(min_length=1, max_length=64)
    version: int | str | None = Field(
        None, description="A number or an alias; the champion if null"
    )
    backends: list[str] | None = Field(
        None, max_length=16, description="All that are certified if null"
    )
    batch_sizes: list[int] = Field([1, 8, 32], min_length=1, max_length=16)
    threads: int | None = Field(
        None,
        ge=1,
        le=MAX_THREADS,
        description="Threads of one call; if null, each backend is loaded as it is served",
    )
    min_time_s: float = Field(
        0.5, ge=0.01, le=60, description="At least so long for each backend and batch size"
    )

    def to_service(self) -> NewBenchmark:
        fields = self.model_dump()
        version = fields.pop("version")
        return NewBenchmark(**fields, version=None if version is None else str(version))


class BenchmarkRow(ResponseModel):
    """One backend at one batch size."""

    backend: str
    batch_size: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    rows_per_s: float
    ci95_ms: list[float]
    runs: int
    max_abs_error: float | None = Field(description="Against eager; null for a model that has none")


class BenchmarkUrls(ResponseModel):
    self: str
    plot: str


class BenchmarkOut(ResponseModel):
    id: str
    object: Literal["benchmark"] = "benchmark"
    model: str
    version: int
    status: JobStatus
    backends: list[str]
    batch_sizes: list[int]
    threads: int | None
    min_time_s: float
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    host: str | None
    results: list[BenchmarkRow] | None
    environment: dict[str, Any] | None
    winners: dict[str, str | None] | None
    error: WorkError | None
    urls: BenchmarkUrls

    @classmethod
    def show(cls, row: Benchmark) -> BenchmarkOut:
        base = f"/v1/benchmarks/{row.id}"
        return cls.model_validate(
            {
                **{name: value for name, value in vars(row).items() if name != "request"},
                **row.request,
                "error": work_error(row.error_code, row.error_message),
                "urls": BenchmarkUrls(self=base, plot=f"{base}/plot.png"),
            }
        )
