"""The client against a real HTTP server."""

from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.torchkiln.fakeservice import FakeService, Reply, listing, problem, reply
from tests.torchkiln.samples import benchmark, file, job, version
from torchkiln import Client, TorchkilnError
from torchkiln.client import tensor
from torchkiln.errors import (
    Conflict,
    Damaged,
    NotFound,
    ServerFault,
    TimedOut,
    Unreachable,
)


def test_submit_sends_what_is_given_and_nothing_else(service: FakeService, client: Client) -> None:
    service.answers["/v1/jobs"] = reply(job("queued"), 202)
    made = client.jobs.submit(
        "image-classification",
        params={"epochs": 2},
        dataset="digits",
        model=None,
        idempotency_key="k",
    )
    request = service.requests[0]
    assert made["status"] == "queued"
    assert request.method == "POST"
    assert request.json() == {
        "pipeline": "image-classification",
        "params": {"epochs": 2},
        "dataset": "digits",
    }
    assert request.headers["Idempotency-Key"] == "k"


def test_key_is_shown(service: FakeService) -> None:
    service.answers["/v1/system"] = reply({"python": "3"})
    with Client(service.url, "tk_secret") as client:
        client.system()
    assert service.requests[0].headers["Authorization"] == "Bearer tk_secret"


@pytest.mark.parametrize("status", [200, 503])
def test_health_is_told_also_while_it_is_bad(
    service: FakeService, client: Client, status: int
) -> None:
    parts = {"database": None if status == 200 else "no answer"}
    service.answers["/readyz"] = reply({"parts": parts}, status)
    assert client.health()["parts"] == parts


def test_health_of_something_else(service: FakeService, client: Client) -> None:
    service.answers["/readyz"] = problem(500, "broken", "what is this?")
    with pytest.raises(ServerFault, match="what is this"):
        client.health()


def test_lists_pass_filters_on(service: FakeService, client: Client) -> None:
    service.answers["/v1/jobs"] = listing(job())
    assert client.jobs.list(status="running", limit=5)[0]["id"] == "job_1"
    assert service.requests[0].path == "/v1/jobs?status=running&limit=5"


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host", "http://"])
def test_address_that_is_none(url: str) -> None:
    with pytest.raises(TorchkilnError, match="expected an address"):
        Client(url)


def test_proxies_are_not_asked_for_loopback(
    service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    service.answers["/v1/system"] = reply({"python": "3"})
    with Client(service.url) as client:
        assert client.system() == {"python": "3"}


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_name_that_would_be_another_route(client: Client, name: str) -> None:
    with pytest.raises(TorchkilnError, match="is not a name"):
        client.models.get(name)


def test_names_are_quoted(service: FakeService, client: Client) -> None:
    with pytest.raises(NotFound):
        client.jobs.get("a/../b?c")
    assert service.requests[0].path == "/v1/jobs/a%2F..%2Fb%3Fc"


def test_wait_bears_a_restart(service: FakeService, client: Client) -> None:
    service.answers["/v1/jobs/job_1"] = [
        reply(job("running")),
        Reply(200, b"{", broken=True),
        problem(503, "unavailable", "starting"),
        reply(job("failed")),
    ]
    assert client.jobs.wait("job_1")["status"] == "failed"


def test_wait_gives_up_in_time(service: FakeService, client: Client) -> None:
    service.answers["/v1/jobs/job_1"] = reply(job("running"))
    with pytest.raises(TimedOut, match="still running"):
        client.jobs.wait("job_1", timeout_s=0)


def test_wait_does_not_bear_a_refusal(service: FakeService, client: Client) -> None:
    with pytest.raises(NotFound):
        client.jobs.wait("job_1")
    assert len(service.requests) == 1


@pytest.mark.parametrize("action", ["cancel", "kill", "pause", "resume"])
def test_what_an_owner_does_to_a_job(service: FakeService, client: Client, action: str) -> None:
    service.answers[f"/v1/jobs/job_1/{action}"] = reply(job("cancelling"), 202)
    act = getattr(client.jobs, action)
    assert act("job_1")["status"] == "cancelling"
    assert service.requests[0].method == "POST"


def test_resuming_otherwise(service: FakeService, client: Client) -> None:
    service.answers["/v1/jobs/job_1/resume"] = reply(job("queued"))
    client.jobs.resume("job_1", checkpoint="ckpt_1", params={"epochs": 20})
    assert service.requests[0].json() == {"checkpoint": "ckpt_1", "params": {"epochs": 20}}
    service.answers["/v1/jobs/job_1/resume"] = problem(409, "invalid_state", "is running")
    with pytest.raises(Conflict, match="is running"):
        client.jobs.resume("job_1")


def test_download_is_verified(service: FakeService, client: Client, tmp_path: Path) -> None:
    service.answers["/v1/jobs/job_1/artifacts"] = listing(file("a.png"))
    service.answers["/v1/jobs/job_1/artifacts/a.png"] = Reply(200, b"abc")
    target = tmp_path / "deep/a.png"
    assert client.jobs.download_artifact("job_1", "a.png", target) == target
    assert target.read_bytes() == b"abc"

    service.answers["/v1/jobs/job_1/artifacts/a.png"] = Reply(200, b"abd")
    with pytest.raises(Damaged):
        client.jobs.download_artifact("job_1", "a.png", target)
    service.answers["/v1/jobs/job_1/artifacts/a.png"] = Reply(200, b"ab", broken=True)
    with pytest.raises(Unreachable):
        client.jobs.download_artifact("job_1", "a.png", target)
    assert target.read_bytes() == b"abc"
    assert list(target.parent.iterdir()) == [target]


def test_artifact_that_is_not_there(service: FakeService, client: Client, tmp_path: Path) -> None:
    service.answers["/v1/jobs/job_1/artifacts"] = listing()
    with pytest.raises(NotFound, match=r"no artifact 'a.png'"):
        client.jobs.download_artifact("job_1", "a.png", tmp_path / "a.png")


def test_long_lists_are_read_to_their_end(service: FakeService, client: Client) -> None:
    page = reply({"object": "list", "data": [file("a.png"), file("b.png")], "has_more": True})
    service.answers["/v1/jobs/job_1/artifacts"] = [page, listing(file("c.png"))]
    names = [found["name"] for found in client.jobs.artifacts("job_1")]
    assert names == ["a.png", "b.png", "c.png"]
    assert [request.path.partition("?")[2] for request in service.requests] == [
        "limit=200",
        "limit=200&after=b.png",
    ]


def test_models(service: FakeService, client: Client, tmp_path: Path) -> None:
    base = "/v1/models/digits"
    weights = file("model.onnx")
    service.answers |= {
        f"{base}/versions/champion": reply(version()),
        f"{base}/versions": listing(version()),
        f"{base}/versions/3/files": listing(weights),
        f"{base}/versions/3/files/model.onnx": Reply(200, b"abc"),
        f"{base}/aliases/stable": Reply(204),
    }
    found = client.models.version("digits", "champion")
    assert found["version"] == client.models.versions("digits")[0]["version"] == 3
    files = client.models.files("digits", 3)
    assert client.models.download("digits", 3, files[0], tmp_path / "m").read_bytes() == b"abc"
    client.models.set_alias("digits", "stable", 3)
    assert service.requests[-1].json() == {"version": 3}
    client.models.delete_alias("digits", "stable")
    assert service.requests[-1].method == "DELETE"


def test_predictions(service: FakeService, client: Client) -> None:
    answer = {"id": "p", "model": "m", "version": 1, "backend": "eager", "outputs": [[1.0]]}
    service.answers["/v1/models/m@2/predict"] = reply(answer)
    service.answers["/v1/models/m/predict"] = reply(answer)

    rows = np.ones((2, 1), np.float32).T
    assert client.predict("m", rows, version=2, backend="eager")["outputs"] == [[1.0]]
    assert service.requests[-1].path == "/v1/models/m@2/predict?backend=eager"
    assert service.requests[-1].json() == {"inputs": [[1.0, 1.0]]}

    client.predict_image("m", b"\x89PNG")
    assert service.requests[-1].headers["Content-Type"] == "image/png"
    assert service.requests[-1].body == b"\x89PNG"

    client.predict_csv("m", "a,b\n1,2\n")
    assert service.requests[-1].headers["Content-Type"] == "text/csv"


def test_infer(service: FakeService, client: Client) -> None:
    service.answers["/v2/models/m/versions/champion/infer"] = reply({"outputs": []})
    client.infer("m", [tensor("x", "FP32", [[1.0, 2.0, 3.0]])], version="champion", backend="eager")
    assert service.requests[0].json() == {
        "inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1.0, 2.0, 3.0]}],
        "parameters": {"backend": "eager"},
    }


def test_tensor_wants_a_rectangle() -> None:
    assert tensor("x", "FP32", [])["shape"] == [0]
    assert tensor("x", "FP32", [[[1], [2]]])["shape"] == [1, 2, 1]
    assert tensor("x", "FP32", np.zeros((2, 3)))["data"] == [0.0] * 6
    with pytest.raises(ValueError, match="unequal lengths"):
        tensor("x", "FP32", [[1, 2], [3]])
    with pytest.raises(ValueError, match="unequal lengths"):
        tensor("x", "FP32", [[1, 2], 3])


def test_request_that_is_not_json(client: Client) -> None:
    with pytest.raises(TorchkilnError, match="cannot be written as JSON"):
        client.predict("m", [object()])


def test_benchmarks(service: FakeService, client: Client, tmp_path: Path) -> None:
    service.answers |= {
        "/v1/benchmarks": reply(benchmark("queued"), 202),
        "/v1/benchmarks/bench_1": [reply(benchmark("running")), reply(benchmark())],
        "/v1/benchmarks/bench_1/plot.png": Reply(200, b"png"),
    }
    made = client.benchmarks.submit("digits", version="3", batch_sizes=[1, 8])
    assert service.requests[0].json() == {"model": "digits", "version": 3, "batch_sizes": [1, 8]}
    done = client.benchmarks.wait(made["id"], timeout_s=60)
    assert done["winners"] == {"1": "onnxruntime", "8": None}
    assert client.benchmarks.download_plot("bench_1", tmp_path / "p.png").read_bytes() == b"png"


def test_transport_of_ones_own() -> None:
    transport = httpx.MockTransport(
        lambda request: httpx.Response(200, json={"host": request.url.host})
    )
    with Client("http://somewhere", transport=transport) as client:
        assert client.system() == {"host": "somewhere"}
