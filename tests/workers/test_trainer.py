"""The trainer, driven over its pipes as a supervisor does it."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

from tests.workers.trainers import MakeSpec, Spawn, last_word, told
from tests.workers.waiting import wait_for
from workers.messages import Control


def test_a_run_is_told_from_its_first_step_to_its_last_word(spawn: Spawn, spec: MakeSpec) -> None:
    trainer = spawn(threads=3)
    trainer.start(spec("count", epochs=3))
    messages, end = told(trainer)
    assert trainer.ready is not None
    assert trainer.ready["devices"] == [{"name": "cpu"}]
    assert trainer.ready["versions"]["threads"] == "3"
    assert (end.returncode, end.why) == (0, None)
    kinds = [message["type"] for message in messages]
    assert [kind for kind in kinds if kind != "progress"] == [
        "resumed",
        *["metrics", "checkpoint"] * 3,
        "artifact",
        "trained",
        "done",
    ]
    assert messages[-1]["results"] == {"counted": 30, "began": 0, "device": "cpu"}
    first_checkpoint = next(message for message in messages if message["type"] == "checkpoint")
    assert (first_checkpoint["epoch"], first_checkpoint["step"]) == (1, 10)
    artifact = messages[kinds.index("artifact")]
    assert artifact["size_bytes"] == len("[30]")
    assert len(artifact["sha256"]) == 64


def test_progress_is_thinned_out_but_never_behind_what_follows_it(
    spawn: Spawn, spec: MakeSpec
) -> None:
    trainer = spawn()
    trainer.start(spec("count", epochs=5))
    messages, _ = told(trainer)
    steps = [message["step"] for message in messages if message["type"] == "progress"]
    assert 5 <= len(steps) < 50
    for before, message in itertools.pairwise(messages):
        if message["type"] == "metrics":
            assert (before["type"], before["step"]) == ("progress", message["step"])


def test_what_a_run_prints_becomes_its_log(spawn: Spawn, spec: MakeSpec) -> None:
    trainer = spawn()
    trainer.start(spec("talk"))
    messages, end = told(trainer)
    logs = [(m["level"], m["message"]) for m in messages if m["type"] == "log"]
    assert sorted(logs) == [
        ("info", "from below \N{REPLACEMENT CHARACTER}"),
        ("info", "line 0"),
        ("warning", "told"),
    ]
    assert end.stderr == "beside"
    assert last_word(messages)["results"] == {"stdin": "", "directory": "work"}


def test_a_flood_of_prints_is_cut_and_the_cut_is_told(spawn: Spawn, spec: MakeSpec) -> None:
    trainer = spawn()
    trainer.start(spec("talk", lines=50_000))
    messages, _ = told(trainer)
    printed = [m["message"] for m in messages if m["type"] == "log"]
    assert len(printed) < 5_000
    assert any(text.startswith("…") and text.endswith("lines left out") for text in printed)


@pytest.mark.parametrize(
    ("how", "code", "message"),
    [
        (
            "bug",
            "pipeline_error",
            "the pipeline failed with ValueError: shapes (3, 4) and (5,) do not fit",
        ),
        (
            "file",
            "pipeline_error",
            "the pipeline failed with FileNotFoundError: No such file or directory",
        ),
        (
            "path",
            "pipeline_error",
            "the pipeline failed with RuntimeError: cannot read …, nor … or …",
        ),
        (
            "foreseen",
            "dataset_unavailable",
            "mnist is not on this machine; connect it, or use digits",
        ),
        ("memory", "oom", "the run needs more memory than it has"),
        ("torch memory", "oom", "the run needs more memory than it has"),
        ("exit", "pipeline_error", "the pipeline failed with SystemExit: enough"),
        (
            "results",
            "pipeline_error",
            "the pipeline failed with TypeError: Type is not JSON serializable: object",
        ),
        (
            "artifact",
            "pipeline_error",
            "the pipeline failed with ValueError: the artifact code.py is outside of the run's "
            "directory",
        ),
    ],
)
def test_a_failure_is_told_without_where_it_was(
    spawn: Spawn, spec: MakeSpec, how: str, code: str, message: str
) -> None:
    trainer = spawn()
    trainer.start(spec("fail", how=how))
    messages, end = told(trainer)
    assert last_word(messages) == {"type": "error", "code": code, "message": message}
    assert end.returncode == 0
    traced = [m["text"] for m in messages if m["type"] == "trace"]
    assert len(traced) == (0 if how in {"foreseen", "results"} else 1)


def test_an_unknown_pipeline_is_an_error_and_no_crash(spawn: Spawn, spec: MakeSpec) -> None:
    trainer = spawn()
    trainer.start(spec("nothing"))
    messages, _ = told(trainer)
    assert last_word(messages)["message"] == "this worker has no pipeline 'nothing'"


def test_a_crash_has_no_last_word(spawn: Spawn, spec: MakeSpec) -> None:
    trainer = spawn()
    trainer.start(spec("fail", how="abort"))
    messages, end = told(trainer)
    assert messages == [{"type": "resumed", "exact": True, "differences": {}}]
    assert (end.returncode, end.why) == (-6, None)


@pytest.mark.parametrize("reason", ["pause", "timeout"])
def test_a_run_stops_at_a_checkpoint_and_another_goes_on_from_it(
    spawn: Spawn, spec: MakeSpec, reason: Control
) -> None:
    trainer = spawn()
    trainer.start(spec("count", epochs=100_000))
    wait_for(lambda: (m := trainer.next(60)) and m["type"] == "checkpoint", "a checkpoint")
    trainer.control(reason)
    messages, _ = told(trainer)
    assert last_word(messages) == {"type": "interrupted", "reason": reason}
    saved = [m for m in messages if m["type"] == "checkpoint"][-1]
    second = spawn()
    second.start(spec("count", epochs=saved["epoch"] + 2, resume=Path(saved["path"])))
    messages, _ = told(second)
    assert last_word(messages)["results"]["began"] == saved["step"]


@pytest.mark.slow
def test_a_real_trainer_is_warm(spawn: Spawn) -> None:
    trainer = spawn(sys.executable, "-m", "workers.trainer", threads=1)
    ready = wait_for(lambda: trainer.ready or trainer.exit, "the trainer to be ready")
    assert ready is trainer.ready
    assert ready["devices"][0] == {"name": "cpu"}
    assert {"torchkiln", "torch", "python"} <= set(ready["versions"])
    title = Path(f"/proc/{trainer.pid}/cmdline").read_bytes()
    assert title.rstrip(b"\0") == b"torchkiln: trainer idle"
