from __future__ import annotations

import hashlib

import httpx
import pytest

from services.container import Container
from tests.api.conftest import Api
from tests.services import factories
from tests.support.published import add_benchmark, add_version, exported

ROW = {"inputs": [[0.5, -1.0]]}


def test_models_are_listed_newest_first_with_their_aliases(
    client: httpx.Client, container: Container
) -> None:
    for name in ("a", "b", "a"):
        factories.published(container, model=name)
    listed = client.get("/v1/models").json()
    assert [model["name"] for model in listed["data"]] == ["b", "a"]
    model = client.get("/v1/models/a").json()
    assert (model["object"], model["versions"], model["latest"]) == ("model", 2, 2)
    assert model["aliases"] == {"champion": 1}
    page = client.get("/v1/models", params={"limit": 1}).json()
    assert page["has_more"]
    rest = client.get("/v1/models", params={"after": "b"}).json()
    assert [one["name"] for one in rest["data"]] == ["a"]


def test_a_version_has_every_field_of_the_contract(
    client: httpx.Client, container: Container
) -> None:
    add_version(container, "image", name="m")
    version = client.get("/v1/models/m/versions/1").json()
    assert set(version) >= {
        *("object", "name", "version", "aliases", "job_id", "created_at", "signature"),
        *("classes", "metrics", "backends", "preferred_backend", "lineage"),
    }
    assert (version["object"], version["name"], version["version"]) == ("model_version", "m", 1)
    assert version["aliases"] == ["champion"]
    assert version["signature"]["inputs"] == [
        {"name": "images", "datatype": "FP32", "shape": [-1, 1, 8, 8]}
    ]
    assert version["classes"] == ["circle", "square", "other"]
    for backend in ("eager", "torchscript", "onnxruntime", "torchexport"):
        state = version["backends"][backend]
        assert state["status"] == "certified"
        assert set(state["parity"]) >= {
            *("rows", "batch_sizes", "max_abs_error", "max_rel_error"),
            *("argmax_agreement", "tolerance"),
        }
    assert version["preferred_backend"] is None
    assert client.get("/v1/models/m/versions/champion").json() == version
    assert client.get("/v1/models/m/versions").json()["data"] == [version]


def test_versions_are_paged_by_number(client: httpx.Client, container: Container) -> None:
    for _ in range(3):
        factories.published(container, model="m")
    page = client.get("/v1/models/m/versions", params={"limit": 2}).json()
    assert ([one["version"] for one in page["data"]], page["has_more"]) == ([3, 2], True)
    rest = client.get("/v1/models/m/versions", params={"after": 2}).json()
    assert [one["version"] for one in rest["data"]] == [1]
    assert client.get("/v1/models/m/versions", params={"after": "x"}).status_code == 422


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/models/nope", "model_not_found"),
        ("/v1/models/nope/versions", "model_not_found"),
        ("/v1/models/nope/versions/1", "model_not_found"),
        ("/v1/models/m/versions/9", "version_not_found"),
        ("/v1/models/m/versions/nope", "version_not_found"),
        ("/v1/models/m/versions/99999999999999999999", "version_not_found"),
        ("/v1/models/m/versions/-1", "version_not_found"),
        ("/v1/models/m/versions/1/files/nope", "file_not_found"),
        ("/v1/models/m/versions/1/files/..%2f..%2fetc%2fpasswd", None),
    ],
)
def test_what_is_not_there_is_not_found(
    client: httpx.Client, container: Container, path: str, code: str | None
) -> None:
    factories.published(container, model="m")
    response = client.get(path)
    assert response.status_code == 404
    assert code is None or response.json()["code"] == code


def test_files_are_listed_and_fetched(client: httpx.Client, container: Container) -> None:
    add_version(container, "binary", name="m")
    listed = client.get("/v1/models/m/versions/champion/files").json()["data"]
    assert {file["name"] for file in listed} >= {
        *("model.safetensors", "model.torchscript.pt", "model.onnx", "signature.json", "card.md")
    }
    for file in listed:
        response = client.get(file["url"])
        assert hashlib.sha256(response.content).hexdigest() == file["sha256"]
        assert len(response.content) == file["size_bytes"]
        assert response.headers["content-type"].startswith(file["media_type"].split(";")[0])


def test_an_alias_moves_and_the_next_prediction_is_the_new_versions(
    client: httpx.Client, container: Container
) -> None:
    add_version(container, "binary", name="m")
    add_version(container, "binary", name="m")
    assert client.post("/v1/models/m/predict", json=ROW).json()["version"] == 1
    response = client.put("/v1/models/m/aliases/champion", json={"version": 2})
    assert response.status_code == 200
    assert (response.json()["version"], response.json()["aliases"]) == (2, ["champion"])
    assert client.post("/v1/models/m/predict", json=ROW).json()["version"] == 2
    client.put("/v1/models/m/aliases/canary", json={"version": 1})
    assert client.post("/v1/models/m@canary/predict", json=ROW).json()["version"] == 1
    assert client.delete("/v1/models/m/aliases/canary").status_code == 204
    assert client.post("/v1/models/m@canary/predict", json=ROW).status_code == 404
    missing = client.delete("/v1/models/m/aliases/canary")
    assert (missing.status_code, missing.json()["code"]) == (404, "alias_not_found")


def test_a_version_that_is_not_certified_gets_no_alias(
    client: httpx.Client, container: Container
) -> None:
    factories.published(container, model="m", backends={"eager": {"status": "rejected"}})
    response = client.put("/v1/models/m/aliases/champion", json={"version": 1})
    assert (response.status_code, response.json()["code"]) == (409, "not_certified")


@pytest.mark.parametrize(
    ("alias", "body", "status"),
    [
        ("champion", {"version": "1"}, 422),
        ("champion", {"version": 0}, 422),
        ("champion", {"version": 2**40}, 422),
        ("champion", {"version": True}, 422),
        ("champion", {}, 422),
        ("champion", {"version": 1, "more": 1}, 422),
        ("champion", [], 422),
        ("champion", {"version": 9}, 404),
        ("7", {"version": 1}, 422),
        ("a b", {"version": 1}, 422),
        ("-x", {"version": 1}, 422),
        ("x" * 65, {"version": 1}, 422),
    ],
)
def test_a_wrong_alias_is_refused(
    client: httpx.Client, container: Container, alias: str, body: object, status: int
) -> None:
    factories.published(container, model="m")
    response = client.put(f"/v1/models/m/aliases/{alias}", json=body)
    assert response.status_code == status
    assert client.get("/v1/models/m").json()["aliases"] == {"champion": 1}


def test_a_version_is_deleted_unless_an_alias_points_at_it(
    client: httpx.Client, container: Container
) -> None:
    for _ in range(2):
        add_version(container, "binary", name="m")
    used = client.delete("/v1/models/m/versions/1")
    assert (used.status_code, used.json()["code"]) == (409, "alias_in_use")
    assert client.post("/v1/models/m@2/predict", json=ROW).is_success
    assert client.delete("/v1/models/m/versions/2").status_code == 204
    assert client.post("/v1/models/m@2/predict", json=ROW).status_code == 404
    assert client.get("/v1/models/m/versions/2").status_code == 404
    assert client.delete("/v1/models/m/versions/2").status_code == 404


def test_a_version_prefers_what_was_measured_here(api: Api, container: Container) -> None:
    add_version(container, "binary", name="m")
    add_benchmark(
        container, "m", {"torchscript": 0.5, "onnxruntime": 1.0, "eager": 2.0, "torchexport": 3.0}
    )
    version = api.client.get("/v1/models/m/versions/1").json()
    assert version["preferred_backend"] == {"1": "torchscript"}
    api.client.put("/v1/models/m/aliases/champion", json={"version": 1})
    answer = api.client.post("/v1/models/m/predict", json=ROW).json()
    assert answer["backend"] == "torchscript"
    named = api.client.post("/v1/models/m/predict?backend=onnxruntime", json=ROW).json()
    assert named["backend"] == "onnxruntime"


def test_the_files_are_those_that_were_exported(container: Container) -> None:
    add_version(container, "binary", name="m")
    row = container.registry.version("m").row
    assert {file["sha256"] for file in row.files} == {
        file.sha256 for file in exported("binary").files
    }


def test_the_owner_of_a_version_says_what_auto_may_pick(api: Api, container: Container) -> None:
    add_version(container, "binary", name="m", promote="always")
    put = "/v1/models/m/versions/champion/backends"
    version = api.client.put(f"{put}/onnxruntime", json={"auto": False})
    assert version.status_code == 200
    assert version.json()["backends"]["onnxruntime"]["auto"] is False
    assert "auto" not in version.json()["backends"]["eager"]
    answer = api.client.post("/v1/models/m/predict", json=ROW).json()
    assert answer["backend"] == "torchscript"
    named = api.client.post("/v1/models/m/predict?backend=onnxruntime", json=ROW).json()
    assert named["backend"] == "onnxruntime"
    assert api.client.put(f"{put}/onnxruntime", json={"auto": "no"}).status_code == 422
    missing = api.client.put(f"{put}/onnxruntime-int8", json={"auto": True})
    assert (missing.status_code, missing.json()["code"]) == (404, "backend_not_found")
    for name in ("eager", "torchscript"):
        assert api.client.put(f"{put}/{name}", json={"auto": False}).status_code == 200
    last = api.client.put(f"{put}/torchexport", json={"auto": False})
    assert (last.status_code, last.json()["code"]) == (409, "last_backend")
