"""Importing a model by the client and by the command, against a real HTTP server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.torchkiln.fakeservice import FakeService, problem, reply
from tests.torchkiln.samples import version
from tests.torchkiln.test_cli import REFUSED, USAGE, torchkiln
from tests.torchkiln.test_datasets import parts
from torchkiln import Client

URL = "/v1/models/mine/versions"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "net.onnx"
    made.write_bytes(b"\x08\x0a weights")
    return made


def fields(service: FakeService) -> dict[str, bytes]:
    (request,) = service.requests
    assert (request.method, request.path) == ("POST", URL)
    sent = dict(part.split(b"\r\n\r\n", 1) for part in parts(request))
    return {
        head.split(b'name="')[1].partition(b'"')[0].decode(): value.removesuffix(b"\r\n")
        for head, value in sent.items()
    }


def test_only_what_is_given_is_sent(service: FakeService, client: Client, file: Path) -> None:
    service.answers[URL] = reply(version(1), 201)
    made = client.models.import_version(
        "mine", file, classes=["a", "b,c"], architecture={"net": {}}, metadata={"team": "x"}
    )
    assert made["version"] == 1
    assert fields(service) == {
        "file": file.read_bytes(),
        "classes": b'["a", "b,c"]',
        "architecture": b'{"net": {}}',
        "metadata": b'{"team": "x"}',
        "promote": b"never",
    }


def test_the_command_reads_files_and_shows_certificates(service: FakeService, file: Path) -> None:
    service.answers[URL] = reply(version(4), 201)
    architecture = file.with_name("architecture.json")
    architecture.write_text('{"net": {"name": "mlp"}}')
    done = torchkiln(
        *("models", "import", "mine", str(file), "--architecture", str(architecture)),
        *("--classes", "cat, dog", "--promote", "always", "--lineage", "by hand"),
        url=service.url,
    )
    assert done.exit_code == 0, done.output
    assert "@4" in done.stdout
    assert "certified" in done.stdout
    sent = fields(service)
    assert json.loads(sent["classes"]) == ["cat", "dog"]
    assert json.loads(sent["architecture"]) == {"net": {"name": "mlp"}}
    assert (sent["promote"], sent["lineage"]) == (b"always", b"by hand")


@pytest.mark.parametrize("text", ["[1", "[]]"])
def test_what_is_no_json_is_not_sent(service: FakeService, file: Path, text: str) -> None:
    done = torchkiln("models", "import", "mine", str(file), "--classes", text, url=service.url)
    assert (done.exit_code, service.requests) == (USAGE, [])
    assert "--classes: expected JSON" in done.output


def test_a_refusal_names_the_tensor(service: FakeService, file: Path) -> None:
    service.answers[URL] = problem(
        422, "invalid_model", "no", errors=[{"field": "file", "message": "input 'x': expected …"}]
    )
    done = torchkiln("models", "import", "mine", str(file), url=service.url)
    assert done.exit_code == REFUSED
    assert "input 'x': expected" in done.output
