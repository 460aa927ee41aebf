"""`torchkiln jobs`, as typed, against a real HTTP server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.torchkiln.fakeservice import FakeService, Reply, listing, reply, sse
from tests.torchkiln.samples import checkpoint, event, file, job, metrics, status
from tests.torchkiln.test_cli import torchkiln


@pytest.mark.parametrize(("word", "code"), [("succeeded", 0), ("failed", 1), ("cancelled", 1)])
def test_watch(service: FakeService, word: str, code: int) -> None:
    service.answers["/v1/jobs/job_1/events"] = sse(
        status(1, "running"),
        metrics(2, 1, train_loss=0.5, test_accuracy=0.9),
        event(3, "log", "half [way]"),
        status(4, word),
    )
    service.answers["/v1/jobs/job_1"] = reply(job(word))
    done = torchkiln("jobs", "watch", "job_1", url=service.url)
    assert done.exit_code == code
    assert done.stdout.startswith(f"job_1  {word}")
    assert "epoch 1/2  train_loss 0.5000  test_accuracy 0.9000" in done.stderr
    assert "log: half [way]" in done.stderr
    assert ("oom: out of memory" in done.stderr) == (word == "failed")


def test_submit_and_watch(service: FakeService) -> None:
    service.answers["/v1/jobs"] = reply(job("queued"), 202)
    service.answers["/v1/jobs/job_1/events"] = sse(status(1, "succeeded"))
    service.answers["/v1/jobs/job_1"] = reply(job())
    done = torchkiln("jobs", "submit", "p", "--watch", url=service.url)
    assert (done.exit_code, done.stdout) == (0, "job_1\njob_1  succeeded  digits@3\n")


def test_lists_of_jobs(service: FakeService) -> None:
    service.answers["/v1/jobs"] = listing(job(), job("running", id="job_2"))
    said = torchkiln("jobs", "list", url=service.url).stdout
    assert "digits@3" in said
    assert "50 %" in said
    found = json.loads(torchkiln("jobs", "list", "--json", url=service.url).stdout)
    assert [one["id"] for one in found] == ["job_1", "job_2"]


@pytest.mark.parametrize(
    ("action", "word"), [("cancel", "cancelling"), ("kill", "cancelling"), ("pause", "pausing")]
)
def test_stopping(service: FakeService, action: str, word: str) -> None:
    service.answers[f"/v1/jobs/job_1/{action}"] = reply(job(word), 202)
    assert torchkiln("jobs", action, "job_1", url=service.url).stdout == f"job_1  {word}\n"


def test_going_on(service: FakeService) -> None:
    service.answers["/v1/jobs/job_1/resume"] = reply(job("queued"))
    assert torchkiln("jobs", "resume", "job_1", url=service.url).stdout == "job_1  queued\n"
    assert service.requests[-1].json() == {"params": {}}
    asked = "--checkpoint", "ckpt_1", "--epochs", "20", "-p", "checkpoint_every=2"
    assert torchkiln("jobs", "resume", "job_1", *asked, url=service.url).exit_code == 0
    wish = {"checkpoint": "ckpt_1", "params": {"checkpoint_every": 2, "epochs": 20}}
    assert service.requests[-1].json() == wish

    service.answers["/v1/jobs/job_1/events"] = sse(status(1, "failed"), status(2, "succeeded"))
    service.answers["/v1/jobs/job_1"] = reply(job())
    watched = torchkiln("jobs", "resume", "job_1", "--watch", url=service.url)
    assert (watched.exit_code, watched.stdout.splitlines()[-1]) == (0, "job_1  succeeded  digits@3")


def test_checkpoints(service: FakeService) -> None:
    rows = [checkpoint("ckpt_2", abandoned=True), checkpoint("ckpt_1", best=True)]
    service.answers["/v1/jobs/job_1/checkpoints"] = listing(*rows)
    second, first = torchkiln("jobs", "checkpoints", "job_1", url=service.url).stdout.split("\n")[
        1:3
    ]
    assert second.startswith("ckpt_2")
    assert second.rstrip().endswith("abandoned")
    assert first.rstrip().endswith("best")
    said = torchkiln("jobs", "checkpoints", "job_1", "--json", url=service.url).stdout
    assert json.loads(said) == rows


def test_get_is_json(service: FakeService) -> None:
    service.answers["/v1/jobs/job_1"] = reply(job())
    done = torchkiln("jobs", "get", "job_1", url=service.url)
    assert json.loads(done.stdout)["pipeline"] == "image-classification"


def test_artifacts(service: FakeService, tmp_path: Path) -> None:
    service.answers["/v1/jobs/job_1/artifacts"] = listing(file("a.png"))
    service.answers["/v1/jobs/job_1/artifacts/a.png"] = Reply(200, b"abc")
    assert "a.png" in torchkiln("jobs", "artifacts", "job_1", url=service.url).stdout
    done = torchkiln("jobs", "artifacts", "job_1", "--to", str(tmp_path), url=service.url)
    assert done.stdout == f"{tmp_path}/a.png\n"
    assert (tmp_path / "a.png").read_bytes() == b"abc"
