"""Latency benchmarks of a version's backends."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from starlette.responses import FileResponse

from api.bodies import json_body, json_docs
from api.files import file_response
from api.openapi import content, errors
from api.schemas.benchmarks import BenchmarkIn, BenchmarkOut
from api.schemas.common import ListOf, listed
from api.state import DEFAULT_LIMIT, After, Id, Limit, Services
from services.errors import NotFound

router = APIRouter(prefix="/v1/benchmarks", tags=["benchmarks"])


@router.post(
    "", status_code=202, responses=errors(404, 409, 415), openapi_extra=json_docs(BenchmarkIn)
)
def submit_benchmark(
    body: Annotated[BenchmarkIn, Depends(json_body(BenchmarkIn))],
    response: Response,
    services: Services,
) -> BenchmarkOut:
    """Time the backends of a version on a worker, interleaved and in random order."""
    row = services.benchmarks.submit(body.to_service())
    response.headers["Location"] = f"/v1/benchmarks/{row.id}"
    return BenchmarkOut.show(row)


@router.get("")
def list_benchmarks(
    services: Services,
    model: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> ListOf[BenchmarkOut]:
    """Newest first."""
    page = services.benchmarks.list(model=model or None, limit=limit, after=after)
    return listed(page, BenchmarkOut.show)


@router.get("/{benchmark_id}", responses=errors(404))
def get_benchmark(benchmark_id: Id, services: Services) -> BenchmarkOut:
    return BenchmarkOut.show(services.benchmarks.get(benchmark_id))


@router.get(
    "/{benchmark_id}/plot.png",
    response_class=FileResponse,
    responses={200: content("image/png")} | errors(404),
)
def benchmark_plot(benchmark_id: Id, services: Services) -> FileResponse:
    row = services.benchmarks.get(benchmark_id)
    if row.plot_key is None:
        raise NotFound(f"the benchmark has no plot; it is {row.status}", code="plot_not_found")
    return file_response(
        services.storage, row.plot_key, name=f"{row.id}.png", media_type="image/png"
    )
