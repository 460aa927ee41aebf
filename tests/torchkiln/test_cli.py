"""The `torchkiln` command, as typed, against a real HTTP server."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.torchkiln.fakeservice import FakeService, Reply, listing, problem, reply, sse
from tests.torchkiln.samples import (
    benchmark,
    file,
    job,
    metrics,
    status,
    version,
)
from torchkiln.cli import app

FAILED, USAGE, UNREACHABLE, REFUSED = 1, 2, 3, 4


def torchkiln(*arguments: str, url: str | None = None, stdin: str | None = None) -> Result:
    env = {"TORCHKILN_URL": url, "TORCHKILN_API_KEY": None, "COLUMNS": "160"}
    return CliRunner().invoke(app, arguments, env=env, input=stdin)


@pytest.mark.parametrize(
    "arguments",
    [
        *((), ("up",), ("api",), ("worker",), ("demo",), ("predict",), ("pipelines",)),
        *(("keys", "create"), ("keys", "list"), ("keys", "revoke")),
        *(("jobs",), ("jobs", "submit"), ("jobs", "list"), ("jobs", "watch"), ("jobs", "resume")),
        *(("models",), ("models", "show"), ("models", "summary"), ("models", "alias")),
        ("benchmarks", "run"),
    ],
)
def test_everything_has_help(arguments: tuple[str, ...]) -> None:
    done = torchkiln(*arguments, "--help")
    assert done.exit_code == 0
    assert "Usage: torchkiln" in done.output


def test_options_say_their_environment() -> None:
    said = torchkiln("up", "--help").output
    for name in ("HOST", "PORT", "DATA_DIR", "DATABASE_URL", "REDIS_URL", "API_WORKERS"):
        assert f"TORCHKILN_{name}" in said


def test_submit(service: FakeService, tmp_path: Path) -> None:
    service.answers["/v1/jobs"] = reply(job("queued"), 202)
    params = tmp_path / "params.json"
    params.write_text('{"epochs": 1, "dropout": 0.5}')
    done = torchkiln(
        *("jobs", "submit", "image-classification", "--params-file", str(params)),
        *("-p", "epochs=3", "-p", "optimizer.lr=0.01", "-p", "optimizer.name=adam"),
        *("-p", "hidden=[64, 32]", "--dataset", "digits", "--seed", "7"),
        *("--world-size", "2", "--hosts", "2", "--min-world-size", "1"),
        *("--max-steps", "90", "--webhook", "https://a.example/"),
        url=service.url,
    )
    assert (done.exit_code, done.stdout) == (0, "job_1\n")
    assert service.requests[0].json() == {
        "pipeline": "image-classification",
        "params": {
            "epochs": 3,
            "dropout": 0.5,
            "optimizer": {"lr": 0.01, "name": "adam"},
            "hidden": [64, 32],
        },
        "dataset": "digits",
        "world_size": 2,
        "hosts": 2,
        "min_world_size": 1,
        "seed": 7,
        "stop": {"max_steps": 90},
        "webhook": "https://a.example/",
    }


@pytest.mark.parametrize("pair", ["epochs", "=3", "a..b=1", ".a=1"])
def test_param_that_is_none(pair: str) -> None:
    done = torchkiln("jobs", "submit", "p", "-p", pair, url="http://127.0.0.1:1")
    assert done.exit_code == USAGE
    assert "NAME=VALUE" in done.stderr


def test_param_that_is_value_and_group() -> None:
    done = torchkiln("jobs", "submit", "p", "-p", "a=1", "-p", "a.b=1", url="http://127.0.0.1:1")
    assert done.exit_code == USAGE


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_params_file_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.json").write_text(text)
    done = torchkiln("jobs", "submit", "p", "--params-file", str(tmp_path / "p.json"))
    assert done.exit_code == USAGE
    assert "JSON" in done.stderr


def test_refusal_is_a_message(service: FakeService) -> None:
    service.answers["/v1/jobs"] = problem(
        422,
        "invalid_params",
        "the params do not fit",
        errors=[{"field": "params.lr", "message": "too [small]; got -1"}],
    )
    done = torchkiln("jobs", "submit", "p", url=service.url)
    assert done.exit_code == REFUSED
    assert done.stdout == ""
    for words in ("the params do not fit", "params.lr: too [small]; got -1", "invalid_params"):
        assert words in done.stderr
    assert "Traceback" not in done.output


def test_no_service_is_a_message() -> None:
    done = torchkiln("jobs", "list", url="http://127.0.0.1:1")
    assert done.exit_code == UNREACHABLE
    assert "is the service running?" in done.stderr


def test_missing_key_is_a_message(service: FakeService) -> None:
    service.answers["/v1/jobs"] = problem(401, "unauthorized", "a key is needed")
    done = torchkiln("jobs", "list", url=service.url)
    assert done.exit_code == REFUSED
    assert "TORCHKILN_API_KEY" in done.stderr


def test_models(service: FakeService) -> None:
    model = {"name": "digits", "versions": 3, "latest": 3, "aliases": {"champion": 3}}
    service.answers |= {
        "/v1/models": listing(model),
        "/v1/models/digits/versions/champion": reply(version()),
        "/v1/models/digits/versions/3/files": listing(file("model.onnx")),
        "/v1/models/digits/aliases/stable": Reply(204),
    }
    assert "champion → 3" in torchkiln("models", "list", url=service.url).stdout
    said = torchkiln("models", "show", "digits", url=service.url).stdout
    for words in ("digits@3", "[-1, 1, 28, 28]", "1.20e-07", "no [such] operator", "model.onnx"):
        assert words in said
    shown = torchkiln("models", "show", "digits", "--json", url=service.url).stdout
    assert json.loads(shown)["files"][0]["name"] == "model.onnx"
    done = torchkiln("models", "alias", "digits", "stable", "3", url=service.url)
    assert done.stdout == "digits@stable → 3\n"


def test_pipelines(service: FakeService) -> None:
    schema = {
        "properties": {
            "epochs": {"default": 20, "description": "Passes"},
            "optimizer": {"$ref": "#/$defs/Optimizer", "description": "Rule"},
        },
        "$defs": {"Optimizer": {"properties": {"lr": {"default": 0.001, "description": "Rate"}}}},
    }
    pipeline = {
        "name": "diagnostics",
        "title": "Is it [well]?",
        "section": "1",
        "task": "diagnostic",
        "produces_model": False,
        "datasets": [],
    }
    service.answers["/v1/pipelines"] = listing(pipeline)
    service.answers["/v1/pipelines/diagnostics"] = reply(pipeline | {"params_schema": schema})
    assert "Is it [well]?" in torchkiln("pipelines", url=service.url).stdout
    said = torchkiln("pipelines", "diagnostics", url=service.url).stdout
    assert "optimizer.lr" in said
    assert "0.001" in said


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("rows.json", b'{"inputs": [[1.0]]}', "application/json"),
        ("rows.json", b"[[1.0]]", "application/json"),
        ("digit.PNG", b"\x89PNG", "image/png"),
        ("digit.jpg", b"\xff\xd8", "image/jpeg"),
        ("table.csv", b"a\n1\n", "text/csv"),
    ],
)
def test_predict(
    service: FakeService, tmp_path: Path, name: str, content: bytes, media_type: str
) -> None:
    service.answers["/v1/models/m/predict"] = reply({"outputs": [[0.5]]})
    (tmp_path / name).write_bytes(content)
    done = torchkiln("predict", "m", str(tmp_path / name), "--backend", "eager", url=service.url)
    assert json.loads(done.stdout) == {"outputs": [[0.5]]}
    request = service.requests[0]
    assert request.headers["Content-Type"] == media_type
    assert request.path == "/v1/models/m/predict?backend=eager"


def test_predict_from_stdin(service: FakeService) -> None:
    service.answers["/v1/models/m@2/predict"] = reply({"outputs": [[0.5]]})
    done = torchkiln("predict", "m", "-", "--version", "2", url=service.url, stdin="[[1]]")
    assert done.exit_code == 0, done.output
    assert service.requests[0].json() == {"inputs": [[1]]}


@pytest.mark.parametrize("text", ["{", "7", '{"rows": []}'])
def test_predict_from_nonsense(text: str) -> None:
    done = torchkiln("predict", "m", "-", stdin=text, url="http://127.0.0.1:1")
    assert done.exit_code == USAGE


def test_predict_from_nothing(tmp_path: Path) -> None:
    done = torchkiln("predict", "m", str(tmp_path / "gone.png"), url="http://127.0.0.1:1")
    assert done.exit_code == USAGE
    assert "cannot read" in done.stderr


def test_benchmark(service: FakeService) -> None:
    service.answers["/v1/benchmarks"] = reply(benchmark("queued"), 202)
    service.answers["/v1/benchmarks/bench_1"] = reply(benchmark())
    done = torchkiln(
        *("benchmarks", "run", "digits", "--batch-size", "1", "--batch-size", "8"), url=service.url
    )
    assert done.exit_code == 0
    assert service.requests[0].json() == {"model": "digits", "batch_sizes": [1, 8]}
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    assert "★ winner" in lines[1]
    assert "no winner" in lines[3]


def test_failed_benchmark(service: FakeService) -> None:
    service.answers["/v1/benchmarks"] = reply(benchmark("queued"), 202)
    service.answers["/v1/benchmarks/bench_1"] = reply(benchmark("failed"))
    done = torchkiln("benchmarks", "run", "digits", url=service.url)
    assert done.exit_code == FAILED
    assert "lost: the worker died" in done.stderr


def test_live_view_draws_a_bar(service: FakeService) -> None:
    from rich.console import Console

    from torchkiln import Client
    from torchkiln.display.progress import watch

    service.answers["/v1/jobs/job_1/events"] = sse(
        status(1, "running"),
        metrics(2, 1, loss=0.5),
        metrics(3, 2, loss=0.25),
        status(4, "succeeded"),
    )
    service.answers["/v1/jobs/job_1"] = reply(job())
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    with Client(service.url) as client:
        assert watch(client, "job_1", console)["status"] == "succeeded"
    assert "2/2" in screen.getvalue()
    assert "loss 0.2500" in screen.getvalue()
