"""The document that clients are made of, and a machine that tries all that it promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import APIRouter
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api import routes
from tests.api.conftest import Api

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


OPERATIONS = (
    *("GET /healthz", "GET /readyz", "GET /metrics", "GET /v1/system", "GET /v1/workers"),
    *("GET /v1/pipelines", "GET /v1/pipelines/{name}", "GET /v1/datasets"),
    *("GET /v1/datasets/{dataset_id}", "GET /v1/datasets/{dataset_id}/preview"),
    *("POST /v1/datasets", "DELETE /v1/datasets/{dataset_id}"),
    *("POST /v1/jobs", "GET /v1/jobs", "GET /v1/jobs/{job_id}", "POST /v1/jobs/{job_id}/kill"),
    *("POST /v1/jobs/{job_id}/cancel", "GET /v1/jobs/{job_id}/events"),
    *("POST /v1/jobs/{job_id}/pause", "POST /v1/jobs/{job_id}/resume"),
    "GET /v1/jobs/{job_id}/checkpoints",
    "GET /v1/jobs/{job_id}/checkpoints/{checkpoint_id}/download",
    *("GET /v1/jobs/{job_id}/artifacts", "GET /v1/jobs/{job_id}/artifacts/{name}"),
    *("GET /v1/models", "GET /v1/models/{name}", "GET /v1/models/{name}/versions"),
    *("POST /v1/models/{name}/versions", "GET /v1/models/{name}/versions/{version}"),
    "DELETE /v1/models/{name}/versions/{version}",
    "GET /v1/models/{name}/versions/{version}/files",
    "GET /v1/models/{name}/versions/{version}/files/{file}",
    "GET /v1/models/{name}/versions/{version}/summary",
    "GET /v1/models/{name}/versions/{version}/weights/{layer}.png",
    "POST /v1/models/{name}/versions/{version}/activations",
    "POST /v1/models/{name}/versions/{version}/gradients",
    "POST /v1/models/{name}/versions/{version}/features",
    "PUT /v1/models/{name}/aliases/{alias}",
    "PUT /v1/models/{name}/versions/{version}/backends/{backend}",
    "DELETE /v1/models/{name}/aliases/{alias}",
    *("POST /v1/models/{target}/predict", "POST /v1/benchmarks", "GET /v1/benchmarks"),
    *("GET /v1/benchmarks/{benchmark_id}", "GET /v1/benchmarks/{benchmark_id}/plot.png"),
    *("GET /v2", "GET /v2/health/live", "GET /v2/health/ready", "GET /v2/models/{name}"),
    *("GET /v2/models/{name}/ready", "GET /v2/models/{name}/config"),
    *("GET /v2/models/{name}/stats", "POST /v2/models/{name}/infer", "GET /v2/models/stats"),
    "POST /v2/models/{name}/versions/{version}/infer",
    *("POST /v2/repository/index", "POST /v2/repository/models/{name}/load"),
)


@pytest.fixture(scope="module")
def document(shared: Api) -> dict[str, Any]:
    return shared.client.get("/openapi.json").json()


def test_every_route_file_is_in_the_table() -> None:
    folder = Path(routes.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    listed = {
        name
        for name, module in vars(routes).items()
        if isinstance(getattr(module, "router", None), APIRouter)
    }
    assert files == listed
    assert len(set(map(id, routes.ROUTERS["all"]))) == len(files)


def test_every_operation_says_how_it_ends_and_what_it_needs(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation.get("summary"), where
            assert any(status.startswith("2") for status in operation["responses"]), where
            for status, response in operation["responses"].items():
                if int(status) >= 400 and path not in {"/readyz", "/v2/health/ready"}:
                    (media_type,) = response["content"]
                    v2 = path.startswith("/v2")
                    assert media_type == f"application/{'json' if v2 else 'problem+json'}", where
                    name = "V2Error" if v2 else "Problem"
                    reference = response["content"][media_type]["schema"]["$ref"]
                    assert reference.endswith(f"/{name}"), where


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_contracts_surface_is_documented(document: dict[str, Any], operation: str) -> None:
    method, path = operation.split()
    assert method.lower() in document["paths"][path]


def test_operations_have_ids_of_their_own(document: dict[str, Any]) -> None:
    ids = [
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    assert len(set(ids)) == len(ids)


def test_the_page_for_people_is_there(shared: Api) -> None:
    response = shared.client.get("/docs")
    assert "swagger" in response.text.lower()


@pytest.fixture(scope="module")
def schema(shared: Api) -> Any:
    return schemathesis.openapi.from_url(f"{shared.client.base_url}/openapi.json")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_whatever_is_asked_is_answered_as_promised(schema: Any, operation: str) -> None:
    method, path = operation.split()

    @given(case=schema[path][method].as_strategy())
    @settings(
        max_examples=20,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Any) -> None:
        response = case.call()
        case.validate_response(response, checks=CHECKS)

    check()
