from __future__ import annotations

import re

import httpx
import pytest

from services.container import Container
from services.errors import Unavailable
from services.workers import WorkerInfo
from tests.api.conftest import Api
from tests.services.conftest import RecordingQueue
from tests.support.published import add_version


def test_healthz_asks_nobody(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.container.db, "ping", None)
    assert api.client.get("/healthz").json() == {"status": "ok"}


def test_readyz_names_the_part_that_fails(api: Api, queue: RecordingQueue) -> None:
    assert api.client.get("/readyz").json() == {
        "status": "ready",
        "parts": {"database": None, "broker": None, "models": None},
        "failing": [],
    }
    queue.broken = True
    response = api.client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["failing"] == ["broker"]
    assert response.json()["parts"]["broker"] == "the broker does not answer"


def test_readyz_is_503_until_the_default_models_are_loaded(api: Api) -> None:
    api.state.engine._rollout.is_warm = False
    assert api.client.get("/readyz").json()["failing"] == ["models"]
    assert api.client.get("/v2/health/ready").status_code == 503
    api.state.engine._rollout.is_warm = True
    assert api.client.get("/v2/health/ready").json() == {"ready": True}


def test_a_database_that_is_down_is_503_unavailable_and_no_500(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Unavailable("the database does not answer", code="unavailable")

    for service, method in (("jobs", "list"), ("jobs", "submit"), ("registry", "models")):
        monkeypatch.setattr(getattr(api.container, service), method, fail)
    for response in (
        api.client.get("/v1/jobs"),
        api.client.post("/v1/jobs", json={"pipeline": "image-classification"}),
        api.client.get("/v1/models"),
    ):
        assert response.status_code == 503
        assert response.json()["code"] == "unavailable"
        assert response.headers["Retry-After"] == "1"


def test_system_tells_versions_without_importing_torch(client: httpx.Client) -> None:
    system = client.get("/v1/system").json()
    assert re.match(r"\d+\.\d+", system["versions"]["torch"])
    for name in ("torch", "torchvision", "onnxruntime"):
        assert system["versions"][name]
    assert system["python"].startswith("3.")
    assert system["cuda"] == {"available": False, "devices": []}


def register(container: Container, worker: str, *devices: dict[str, object]) -> None:
    container.workers.register(WorkerInfo(worker, "host-1", 7, ["cpu", "gpu"], 2, devices))


def test_workers_are_listed_with_their_devices(client: httpx.Client, container: Container) -> None:
    card = {"name": "cuda:0", "model": "H100", "memory_bytes": 80}
    register(container, "a", {"name": "cpu"}, card)
    register(container, "b", {"name": "cpu"})
    container.workers.beat("b", ["job_1"])
    listed = client.get("/v1/workers").json()
    assert (listed["object"], listed["has_more"]) == ("list", False)
    a, b = listed["data"]
    assert (a["id"], a["device"], a["slots"], a["current_job"]) == ("a", "cuda:0", 2, None)
    assert (b["device"], b["current_job"], b["queues"]) == ("cpu", "job_1", ["cpu", "gpu"])
    assert b["last_heartbeat"].endswith("Z")
    cuda = client.get("/v1/system").json()["cuda"]
    assert cuda == {"available": True, "devices": [{"worker": "a", "host": "host-1", **card}]}
    page = client.get("/v1/workers", params={"limit": 1}).json()
    assert page["has_more"]
    rest = client.get("/v1/workers", params={"limit": 1, "after": page["data"][0]["id"]}).json()
    assert [worker["id"] for worker in rest["data"]] == ["b"]


def test_metrics_count_requests_by_route_predictions_by_backend_and_jobs_by_state(
    api: Api,
) -> None:
    add_version(api.container, "binary")
    api.client.get("/v1/jobs/nope")
    api.client.get("/v1/jobs/another")
    api.client.get("/no/such/address")
    api.client.request("PROPFIND", "/v1/jobs")
    api.client.post("/v1/models/demo/predict", json={"inputs": [[1, 2], [3, 4]]})
    row = {"name": "features", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}
    api.client.post("/v2/models/demo/infer", json={"inputs": [row]})
    api.client.post("/v2/models/demo/versions/9/infer", json={})
    response = api.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    lines = set(response.text.splitlines())
    route = "/v2/models/{name}/versions/{version}/infer"
    model = 'backend="onnxruntime",model="demo"'
    row_1 = model.replace(",", ',le="1",')
    assert {
        'torchkiln_http_requests_total{method="GET",route="/v1/jobs/{job_id}",status="404"} 2.0',
        'torchkiln_http_requests_total{method="GET",route="unmatched",status="404"} 1.0',
        'torchkiln_http_requests_total{method="OTHER",route="/v1/jobs",status="405"} 1.0',
        f'torchkiln_http_requests_total{{method="POST",route="{route}",status="404"}} 1.0',
        f'torchkiln_predictions_total{{{model},outcome="success",version="1"}} 2.0',
        f'torchkiln_prediction_rows_total{{{model},version="1"}} 3.0',
        f'torchkiln_prediction_duration_seconds_count{{{model},version="1"}} 2.0',
        'torchkiln_jobs{status="succeeded"} 1.0',
        'torchkiln_jobs{status="queued"} 0.0',
        'torchkiln_queue_depth{queue="gpu"} 0.0',
        'torchkiln_queue_messages{queue="cpu"} 0.0',
        "torchkiln_jobs_lapsed 0.0",
        f'torchkiln_inference_queue_seconds_count{{{model},version="1"}} 2.0',
        f'torchkiln_inference_compute_seconds_count{{{model},version="1"}} 2.0',
        f'torchkiln_inference_batch_rows_bucket{{{row_1},version="1"}} 1.0',
        f'torchkiln_inference_batch_rows_sum{{{model},version="1"}} 3.0',
        f'torchkiln_inference_queue_depth{{{model},version="1"}} 0.0',
        "torchkiln_workers 0.0",
        "torchkiln_models_loaded 1.0",
    } <= lines
    assert any(line.startswith("process_resident_memory_bytes") for line in lines)


def test_the_stages_of_predictions_add_up_to_their_time(api: Api) -> None:
    add_version(api.container, "binary")
    api.client.post("/v1/models/demo/predict", json={"inputs": [[1, 2], [3, 4]]})
    lines = api.client.get("/metrics").text.splitlines()
    spent, total = (
        [_number(line) for line in lines if line.startswith(f"torchkiln_prediction_{name}")]
        for name in ("stage_seconds_total{", "duration_seconds_sum{")
    )
    assert len(spent) == 4
    assert min(spent) > 0
    assert [sum(spent)] == pytest.approx(total)


def _number(line: str) -> float:
    return float(line.rpartition(" ")[2])


def test_metrics_do_without_the_broker(api: Api, queue: RecordingQueue) -> None:
    queue.messages = {"cpu": 3, "gpu": 1}
    assert 'torchkiln_queue_messages{queue="cpu"} 3.0' in api.client.get("/metrics").text
    queue.broken = True
    response = api.client.get("/metrics")
    assert response.status_code == 200
    assert "torchkiln_queue_messages{" not in response.text
    assert 'torchkiln_queue_depth{queue="cpu"} 0.0' in response.text


def test_metrics_do_without_the_database(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise Unavailable("the database does not answer")

    api.client.get("/metrics")
    monkeypatch.setattr(api.container.db, "read", fail)
    response = api.client.get("/metrics")
    assert response.status_code == 200
    assert "torchkiln_jobs{" not in response.text
    assert "torchkiln_models_loaded" in response.text


@pytest.mark.parametrize("given", ["mine-1", "a" * 64, "trace:1.2_3"])
def test_a_request_id_is_taken_over(client: httpx.Client, given: str) -> None:
    for path in ("/healthz", "/nope", "/v2/models/m/infer"):
        response = client.post(path, headers={"X-Request-Id": given})
        assert response.headers.get_list("X-Request-Id") == [given]


@pytest.mark.parametrize("given", ["", "a" * 65, "a b", 'a"b', "\xff"])
def test_a_request_id_that_cannot_be_logged_is_replaced(client: httpx.Client, given: str) -> None:
    for path in ("/healthz", "/v2/models/m/infer"):
        response = client.post(path, headers={"X-Request-Id": given.encode("latin-1")})
        assert response.headers["X-Request-Id"].startswith("req_")


def test_request_ids_differ(client: httpx.Client) -> None:
    ids = {client.get("/healthz").headers["X-Request-Id"] for _ in range(5)}
    assert len(ids) == 5


def test_an_error_of_our_own_is_a_500_in_form_and_tells_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("/srv/secret")

    monkeypatch.setattr(api.container.jobs, "get", fail)
    monkeypatch.setattr(api.state.engine, "resolve", fail)
    response = api.client.get("/v1/jobs/x")
    assert response.status_code == 500
    assert response.json()["code"] == "internal"
    assert response.headers["X-Request-Id"]
    other = api.client.post("/v2/models/m/infer", json={})
    assert (other.status_code, list(other.json())) == (500, ["error"])
    assert "secret" not in response.text + other.text


def test_unknown_addresses_and_methods_are_told_in_each_surfaces_form(
    client: httpx.Client,
) -> None:
    for path in ("/v1/nope", "/", "/v1/jobs/"):
        response = client.get(path)
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"] == "not_found"
    response = client.delete("/v1/jobs")
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, POST"
    assert list(client.get("/v2/nope").json()) == ["error"]
    assert client.get("/v2/nope").status_code == 404
    assert list(client.get("/v2/models/m/infer").json()) == ["error"]
    assert client.get("/v2/models/m/infer").status_code == 405
