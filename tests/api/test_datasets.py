"""Uploads over HTTP: taken whole, or refused with the place at fault and nothing left behind."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.data import BUILTIN
from services.container import Container
from services.settings import Settings
from tests.api.conftest import Api, served
from tests.api.test_bad_input import in_form
from tests.services.conftest import RecordingQueue
from tests.support import uploads

CSV = uploads.csv_bytes()
FORM = {"name": "mine", "kind": "csv"}

FILES = {
    "csv": uploads.csv_bytes("regression", features=3),
    "images": uploads.images_bytes(),
    "arrays": uploads.arrays_bytes((2, 3)),
    "sequences": uploads.sequences_bytes(),
}


def upload(client: httpx.Client, file: bytes = CSV, **fields: str) -> httpx.Response:
    return client.post("/v1/datasets", data={**FORM, **fields}, files={"file": ("a", file)})


def multipart(*parts: tuple[str, bytes], boundary: bytes = b"B") -> bytes:
    made = [
        b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        % (boundary, name.encode(), content)
        for name, content in parts
    ]
    return b"".join([*made, b"--%s--\r\n" % boundary])


GOOD = (("name", b"mine"), ("kind", b"csv"), ("file", CSV))
TYPE = {"Content-Type": "multipart/form-data; boundary=B"}


@pytest.fixture(scope="module", autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where this process, and so the server in it, puts temporary files."""
    with pytest.MonkeyPatch.context() as patch:
        directory = tmp_path_factory.mktemp("temporary")
        patch.setattr(tempfile, "tempdir", str(directory))
        yield directory


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Api]:
    """One application for the tests that leave nothing behind."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("idle"), max_body_bytes=1 << 20)
    shutil.copy(template, settings.data_dir)
    container = Container(settings, queue=RecordingQueue())
    with served(container) as running:
        yield running
    container.close()


@pytest.fixture
def nothing_kept(idle: Api, temporary: Path) -> Iterator[None]:
    """The test leaves no dataset, no stored file and no temporary one."""
    yield
    assert len(idle.client.get("/v1/datasets").json()["data"]) == len(BUILTIN)
    assert not [*(idle.container.settings.files_dir / "datasets").glob("**/*")]
    assert not [*temporary.glob("torchkiln-upload-*"), *temporary.glob("torchkiln-dataset-*")]


@pytest.mark.parametrize("kind", FILES)
def test_each_kind_is_taken_profiled_and_shown(client: httpx.Client, kind: str) -> None:
    response = upload(client, FILES[kind], kind=kind)
    made = response.json()
    assert response.status_code == 201, made
    assert response.headers["Location"] == f"/v1/datasets/{made['id']}"
    assert made["id"].startswith("ds_")
    assert (made["name"], made["kind"], made["uploaded"]) == ("mine", kind, True)
    assert (made["rows"], made["available"]) == (uploads.ROWS, True)
    assert made["profile"]["sha256"] == made["sha256"]
    assert ("class_counts" in made["profile"]) == (kind != "csv")
    assert client.get(f"/v1/datasets/{made['id']}").json() == made
    preview = client.get(f"/v1/datasets/{made['id']}/preview", params={"rows": 3}).json()
    assert (preview["id"], preview["kind"], len(preview["rows"])) == (made["id"], kind, 3)


def test_uploads_come_after_the_built_in_ones_and_can_be_deleted(client: httpx.Client) -> None:
    ids = [upload(client).json()["id"] for _ in range(2)]
    listed = client.get("/v1/datasets").json()["data"]
    assert [one["id"] for one in listed] == [*BUILTIN, *ids[::-1]]
    page = client.get("/v1/datasets", params={"limit": 1, "after": ids[1]}).json()
    assert ([one["id"] for one in page["data"]], page["has_more"]) == ([ids[0]], False)
    assert client.delete(f"/v1/datasets/{ids[0]}").status_code == 204
    gone = client.get(f"/v1/datasets/{ids[0]}")
    assert (gone.status_code, gone.json()["code"]) == (404, "dataset_not_found")
    assert client.delete(f"/v1/datasets/{ids[0]}").status_code == 404


def test_a_job_may_name_an_upload_which_then_stays(client: httpx.Client) -> None:
    dataset = upload(client).json()["id"]
    job = client.post("/v1/jobs", json={"pipeline": "binary-classification", "dataset": dataset})
    assert (job.status_code, job.json()["dataset"]) == (202, dataset)
    refused = client.delete(f"/v1/datasets/{dataset}")
    assert (refused.status_code, refused.json()["code"]) == (409, "dataset_in_use")
    client.post(job.json()["urls"]["cancel"])
    assert client.delete(f"/v1/datasets/{dataset}").status_code == 204


def test_what_is_built_in_stays(idle: Api) -> None:
    response = idle.client.delete("/v1/datasets/digits")
    assert (response.status_code, response.json()["code"]) == (409, "builtin_dataset")


@pytest.mark.usefixtures("nothing_kept")
@pytest.mark.parametrize(
    ("fields", "file", "field", "words"),
    [
        ({"target": "z"}, CSV, "target", "expected one of the columns x1, x2, y, got 'z'"),
        ({}, CSV + b"1,two,ant\n", "file", "line 42, column 'x2': expected a number, got 'two'"),
        ({"kind": "images"}, b"PK\x03\x04", "file", "expected"),
        ({"task": "regression"}, CSV, "target", "expected a number, got 'ant'"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(
    idle: Api, fields: dict[str, str], file: bytes, field: str, words: str
) -> None:
    response = upload(idle.client, file, **fields)
    problem: dict[str, Any] = response.json()
    in_form(response, v2=False)
    assert (response.status_code, problem["code"]) == (422, "invalid_dataset")
    (error,) = problem["errors"]
    assert error["field"] == field
    assert words in error["message"]


@pytest.mark.usefixtures("nothing_kept")
@pytest.mark.parametrize(
    ("parts", "field", "words"),
    [
        (GOOD[:2], "file", "got none"),
        (GOOD[1:], "name", "got none"),
        ((*GOOD, ("colour", b"red")), "colour", "expected one of file, kind, name, target, task"),
        ((*GOOD, ("kind", b"csv")), "kind", "once, got it twice"),
        ((*GOOD, ("file", CSV)), "file", "once, got it twice"),
        ((*GOOD[1:], ("name", b"../x")), "name", "got '../x'"),
        ((*GOOD[1:], ("name", b"\xff")), "name", "expected UTF-8"),
        ((*GOOD[1:], ("name", b"x" * 100_000)), "name", "at most 1024 bytes"),
        ((GOOD[0], GOOD[2], ("kind", b"excel")), "kind", "got 'excel'"),
        ((*GOOD, ("task", b"guess")), "task", "got 'guess'"),
    ],
)
def test_a_bad_field_is_named(
    idle: Api, parts: tuple[tuple[str, bytes], ...], field: str, words: str
) -> None:
    response = idle.client.post("/v1/datasets", content=multipart(*parts), headers=TYPE)
    assert response.status_code == 422, response.text
    in_form(response, v2=False)
    (error,) = response.json()["errors"]
    assert error["field"] == field
    assert words in error["message"]


@pytest.mark.usefixtures("nothing_kept")
@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (multipart(*GOOD)[:-9], TYPE["Content-Type"], 400, "invalid_multipart"),
        (b"", TYPE["Content-Type"], 400, "invalid_multipart"),
        (b"--B\r\n\r\nx\r\n--B--", TYPE["Content-Type"], 400, "invalid_multipart"),
        (multipart(*GOOD), "multipart/form-data", 400, "invalid_multipart"),
        (multipart(*GOOD), f"{TYPE['Content-Type']}{'B' * 300}", 400, "invalid_multipart"),
        (multipart(*[("x", b"")] * 20), TYPE["Content-Type"], 400, "invalid_multipart"),
        (b"{}", "application/json", 415, "unsupported_media_type"),
        (b"a=1", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (CSV, "", 415, "unsupported_media_type"),
    ],
)
def test_what_is_no_form_is_refused(
    idle: Api, content: bytes, content_type: str, status: int, code: str
) -> None:
    response = idle.client.post(
        "/v1/datasets", content=content, headers={"Content-Type": content_type}
    )
    assert (response.status_code, response.json()["code"]) == (status, code)
    in_form(response, v2=False)


@pytest.mark.usefixtures("nothing_kept")
@pytest.mark.parametrize("announced", [True, False])
def test_more_than_the_limit_is_refused(idle: Api, *, announced: bool) -> None:
    body = multipart(*GOOD[:2], ("file", b"1,2\n" * (1 << 18)))
    content = body if announced else iter([body[: 1 << 16], body[1 << 16 :]])
    response = idle.client.post("/v1/datasets", content=content, headers=TYPE)
    assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")


def test_an_optional_field_may_be_left_empty(client: httpx.Client) -> None:
    response = upload(client, target="", task="")
    assert response.status_code == 201, response.text
