from __future__ import annotations

import httpx
import pytest
from jsonschema_rs import validator_for

from models.data import BUILTIN
from models.errors import DatasetUnavailable
from models.pipelines import PIPELINES
from services.container import Container
from tests.api.conftest import Api


def test_every_pipeline_is_listed(client: httpx.Client) -> None:
    listed = client.get("/v1/pipelines").json()
    assert [one["name"] for one in listed["data"]] == list(PIPELINES)
    for one in listed["data"]:
        assert set(one) >= {"name", "title", "section", "task", "produces_model", "datasets"}
        assert all({"form", "tasks"} == set(takes) for takes in one["uploads"])
        assert isinstance(one["section"], str)


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_has_a_schema_of_which_forms_can_be_made(shared: Api, name: str) -> None:
    pipeline = shared.client.get(f"/v1/pipelines/{name}").json()
    schema = pipeline["params_schema"]
    assert validator_for(schema).is_valid({})
    assert not validator_for(schema).is_valid({"nope": 1})
    for field in schema.get("properties", {}).values():
        assert "default" in field or "$ref" in field
        assert field.get("description")


def test_an_unknown_pipeline_is_not_found(client: httpx.Client) -> None:
    response = client.get("/v1/pipelines/nope")
    assert (response.status_code, response.json()["code"]) == (404, "unknown_pipeline")


def test_every_dataset_says_whether_it_can_be_had(client: httpx.Client) -> None:
    listed = client.get("/v1/datasets").json()["data"]
    assert [one["id"] for one in listed] == list(BUILTIN)
    by_id = {one["id"]: one for one in listed}
    assert by_id["digits"]["available"]
    assert by_id["digits"]["source"]
    assert not by_id["mnist"]["available"]
    assert client.get("/v1/datasets/digits").json() == {**by_id["digits"], "profile": None}


def test_a_preview_shows_the_first_rows(client: httpx.Client) -> None:
    table = client.get("/v1/datasets/moons/preview", params={"rows": 3}).json()
    assert (len(table["rows"]), len(table["columns"])) == (3, len(table["rows"][0]))
    pictures = client.get("/v1/datasets/digits/preview").json()
    assert (pictures["id"], len(pictures["rows"])) == ("digits", 10)


def test_a_preview_of_data_that_are_not_here_says_what_to_do(
    client: httpx.Client, container: Container
) -> None:
    response = client.get("/v1/datasets/mnist/preview")
    assert (response.status_code, response.json()["code"]) == (409, DatasetUnavailable.code)
    assert str(container.settings.data_dir) not in response.text


@pytest.mark.parametrize("path", ["nope", "nope/preview"])
def test_an_unknown_dataset_is_not_found(client: httpx.Client, path: str) -> None:
    response = client.get(f"/v1/datasets/{path}")
    assert (response.status_code, response.json()["code"]) == (404, "dataset_not_found")


@pytest.mark.parametrize("rows", ["0", "101", "x"])
def test_a_preview_has_a_size(client: httpx.Client, rows: str) -> None:
    assert client.get("/v1/datasets/moons/preview", params={"rows": rows}).status_code == 422
