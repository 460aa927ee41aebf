"""Datasets by the client and by the command, against a real HTTP server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.torchkiln.fakeservice import FakeService, Reply, listing, problem, reply
from tests.torchkiln.test_cli import REFUSED, USAGE, torchkiln
from torchkiln import Client, TorchkilnError
from torchkiln.errors import Conflict, Invalid

UPLOAD: dict[str, Any] = {
    "id": "ds_1",
    "object": "dataset",
    "name": "houses",
    "title": "houses",
    "kind": "csv",
    "source": "uploaded CSV",
    "task": "binary",
    "bundled": False,
    "uploaded": True,
    "available": True,
    "rows": 1234,
    "shape": [2],
    "features": ["rooms", "area"],
    "target": "sold",
    "classes": ["no", "[yes]"],
    "size_bytes": 100,
    "sha256": "0" * 64,
    "created_at": "2030-01-01T00:00:00Z",
}
COLUMN = {"name": "area", "type": "number", "distinct": 9, "min": 1.0, "max": 250.5}
PROFILE = {"class_counts": {"no": 1000, "[yes]": 234}, "columns": [COLUMN]}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "my houses.csv"
    file.write_bytes(b"rooms,area,sold\n1,2,no\n")
    return file


def parts(request: Any) -> list[bytes]:
    boundary = request.headers["Content-Type"].partition("boundary=")[2].encode()
    return request.body.split(b"--" + boundary)[1:-1]


def test_an_upload_is_sent_as_a_form(service: FakeService, client: Client, table: Path) -> None:
    service.answers["/v1/datasets"] = reply(UPLOAD, 201)
    assert client.datasets.upload(table, target="sold")["id"] == "ds_1"
    (request,) = service.requests
    assert request.method == "POST"
    assert request.headers["Content-Type"].startswith("multipart/form-data")
    sent = dict(part.split(b"\r\n\r\n", 1) for part in parts(request))
    named = {
        header.split(b'name="')[1].partition(b'"')[0].decode(): value.removesuffix(b"\r\n")
        for header, value in sent.items()
    }
    assert named == {
        "name": b"my-houses",
        "kind": b"csv",
        "target": b"sold",
        "file": table.read_bytes(),
    }


def test_a_file_of_unknown_kind_is_not_sent(
    service: FakeService, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "table.xlsx"
    file.write_bytes(b"")
    with pytest.raises(TorchkilnError, match=r"table\.xlsx: expected one of \.csv"):
        client.datasets.upload(file)
    assert service.requests == []


def test_looking_and_deleting(service: FakeService, client: Client) -> None:
    preview = {"id": "ds_1", "kind": "csv", "columns": ["a"], "shape": None, "rows": [[1.0]]}
    service.answers |= {
        "/v1/datasets": listing(UPLOAD),
        "/v1/datasets/ds_1": [reply(UPLOAD | {"profile": PROFILE}), Reply(204)],
        "/v1/datasets/ds_1/preview": reply(preview),
        "/v1/datasets/digits": problem(409, "builtin_dataset", "built in"),
    }
    assert client.datasets.list(limit=5, after="moons")[0]["rows"] == 1234
    assert service.requests[-1].path == "/v1/datasets?limit=5&after=moons"
    assert client.datasets.get("ds_1").get("profile") == PROFILE
    assert client.datasets.preview("ds_1", rows=1)["rows"] == [[1.0]]
    client.datasets.delete("ds_1")
    assert service.requests[-1].method == "DELETE"
    with pytest.raises(Conflict):
        client.datasets.delete("digits")


def test_a_refusal_tells_the_place(service: FakeService, client: Client, table: Path) -> None:
    errors = [{"field": "file", "message": "line 2, column 'area': expected a number, got 'x'"}]
    service.answers["/v1/datasets"] = problem(422, "invalid_dataset", "no", errors=errors)
    with pytest.raises(Invalid) as caught:
        client.datasets.upload(table)
    assert caught.value.errors[0].message.startswith("line 2")
    done = torchkiln("datasets", "upload", str(table), url=service.url)
    assert done.exit_code == REFUSED
    assert "file: line 2, column 'area'" in done.stderr


def test_the_command(service: FakeService, table: Path) -> None:
    service.answers |= {
        "/v1/datasets": listing(UPLOAD),
        "/v1/datasets/ds_1": reply(UPLOAD | {"profile": PROFILE}),
    }
    said = torchkiln("datasets", "list", url=service.url).stdout
    for words in ("ds_1", "houses", "1,234", "[2]"):
        assert words in said
    said = torchkiln("datasets", "show", "ds_1", url=service.url).stdout
    for words in ("no (1000), [yes] (234)", "area", "250.5"):
        assert words in said
    shown = torchkiln("datasets", "show", "ds_1", "--json", url=service.url).stdout
    assert json.loads(shown)["profile"] == PROFILE
    service.answers["/v1/datasets"] = reply(UPLOAD | {"profile": PROFILE}, 201)
    done = torchkiln(
        *("datasets", "upload", str(table), "--name", "houses", "--target", "sold"),
        url=service.url,
    )
    assert (done.exit_code, "ds_1" in done.stdout) == (0, True)
    service.answers["/v1/datasets/ds_1"] = Reply(204)
    done = torchkiln("datasets", "delete", "ds_1", url=service.url)
    assert done.stdout == "deleted ds_1\n"


def test_a_kind_that_is_none(table: Path) -> None:
    done = torchkiln("datasets", "upload", str(table), "--kind", "excel", url="http://127.0.0.1:1")
    assert done.exit_code == USAGE
    assert "expected one of csv, images, arrays, sequences, got 'excel'" in done.stderr
