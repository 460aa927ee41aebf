"""Tuning on a clock that only fake runners move; how long anything takes here is of no account."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import host
from models.backends import BACKENDS
from models.errors import ExportFailed
from models.rows import take
from models.tuning import Choice, Opened, Tuner
from tests.models.tuning.fakes import SIGNATURE, Fake, costs
from tests.support.models import image_model

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "cores", lambda: 4)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "model.bin").write_bytes(b"a model")
    return tmp_path / "files"


def opened(fake: Fake, files: Path, **options: Any) -> Opened:
    tuner = Tuner(files.parent / "tuning", clock=fake.clock, **options)
    return tuner.open(fake, files, SIGNATURE)


def note(files: Path) -> Path:
    (file,) = (files.parent / "tuning").glob("*.json")
    return file


def outcomes(found: Opened) -> dict[str, str]:
    return {str(one["options"].get("way", one["threads"])): one["outcome"] for one in found.tried}


def test_the_fastest_way_is_kept_and_remembered(files: Path) -> None:
    fake = Fake(costs(default=10, better=6, best=4, worse=20), ("better", "worse", "best"))
    found = opened(fake, files)
    assert (found.how, found.choice, found.problem) == (
        "measured",
        Choice(1, {"way": "best"}),
        None,
    )
    assert outcomes(found) == {"better": "faster", "worse": "not faster", "best": "faster"}
    assert fake.still_open == [("best", 1)], "one model in memory, not four"
    before = len(fake.loaded)
    again = opened(fake, files)
    assert (again.how, again.choice) == ("remembered", found.choice)
    assert len(fake.loaded) == before + 1
    assert fake.loaded[-1].calls == 0


@pytest.mark.parametrize(
    ("cost", "outcome"),
    [
        (costs(default=10, other=9.6), "not faster"),
        (costs(default=10, other=9.4), "faster"),
        (lambda way, _, rows: 1e-6 * (100 if way == "default" or rows == 1 else 60), "faster"),
        (
            lambda way, _, rows: 1e-6 * (100 if way == "default" else (50 if rows == 1 else 110)),
            "not faster",
        ),
    ],
)
def test_another_way_has_to_be_clearly_faster_and_at_no_batch_size_slower(
    files: Path, cost: Any, outcome: str
) -> None:
    assert outcomes(opened(Fake(cost, ("other",)), files)) == {"other": outcome}


def test_a_way_that_answers_otherwise_or_does_not_load_is_passed_over(files: Path) -> None:
    fake = Fake(
        costs(default=10, wrong=1, broken=1, good=5),
        ("wrong", "broken", "good"),
        wrong=("wrong",),
        broken={"broken": ExportFailed("no such option here")},
    )
    found = opened(fake, files)
    assert outcomes(found) == {
        "wrong": "other answers",
        "broken": "no such option here",
        "good": "faster",
    }
    assert fake.still_open == [("good", 1)]


def test_small_models_keep_to_one_thread_and_larger_ones_try_more(files: Path) -> None:
    def cost(_way: str, threads: int | None, rows: int) -> float:
        return 1e-4 * rows / (threads or 1)

    found = opened(Fake(cost, ("other",)), files)
    assert found.choice == Choice(4)
    assert [one["threads"] for one in found.tried] == [4, 2, 4], "ways are tried with the best"
    note(files).unlink()
    small = opened(Fake(costs(default=1, other=1), ("other",)), files)
    assert [one["threads"] for one in small.tried] == [1]


def test_the_budget_is_kept_and_a_slow_model_is_not_measured_at_all(files: Path) -> None:
    fake = Fake(costs(default=1000, a=1000, b=1000, c=1000), ("a", "b", "c"))
    started = fake.now
    found = opened(fake, files, budget_s=0.5)
    assert "no time left" in outcomes(found).values()
    assert fake.now - started < 1.0
    note(files).unlink()
    slow = Fake(lambda *_: 0.2, ("a", "b"))
    found = opened(slow, files)
    assert (found.choice, found.tried) == (Choice(None), [])
    assert sum(runner.calls for runner in slow.loaded) == 2
    assert slow.still_open == [("default", None)]


@pytest.mark.parametrize(("row_us", "threads"), [(10, 1), (1000, None)])
def test_without_a_budget_there_is_only_the_default(
    files: Path, row_us: float, threads: int | None
) -> None:
    fake = Fake(costs(default=row_us, other=0.1), ("other",))
    found = opened(fake, files, budget_s=0)
    assert (found.how, found.choice, found.problem) == ("default", Choice(threads), None)
    assert fake.still_open == [("default", threads)]
    assert not (files.parent / "tuning").exists()


@pytest.mark.parametrize("damage", ["text", "another way", "threads", "another host", "list"])
def test_a_note_that_cannot_be_followed_is_measured_again(files: Path, damage: str) -> None:
    fake = Fake(costs(default=10, other=5), ("other",))
    opened(fake, files)
    whole = json.loads(note(files).read_text())
    damaged: dict[str, Any] = {
        "text": "{",
        "list": "[1]",
        "another way": whole | {"choice": {"threads": 1, "options": {"way": "unheard of"}}},
        "threads": whole | {"choice": {"threads": 1000, "options": {}}},
        "another host": whole | {"key": whole["key"] | {"cpu_model": "another"}},
    }
    value = damaged[damage]
    note(files).write_text(value if isinstance(value, str) else json.dumps(value))
    found = opened(fake, files)
    assert (found.how, found.choice) == ("measured", Choice(1, {"way": "other"}))
    assert json.loads(note(files).read_text())["choice"] == whole["choice"]


@pytest.mark.parametrize("change", ["file", "cores", "library", "processor"])
def test_what_the_figures_depend_on_is_measured_again(
    files: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Fake(costs(default=10, other=5), ("other",))
    opened(fake, files)
    match change:
        case "file":
            (files / "model.bin").write_bytes(b"another model")
        case "cores":
            monkeypatch.setattr(host, "cores", lambda: 8)
        case "library":
            monkeypatch.setattr(host, "versions", lambda: {"onnxruntime": "99"})
        case _:
            monkeypatch.setattr(host, "cpu_model", lambda: "another")
    assert opened(fake, files).how == "measured"
    assert opened(fake, files).how == "remembered"


def test_what_goes_wrong_with_tuning_never_fails_the_load(files: Path) -> None:
    fake = Fake(costs(default=10, odd=5), ("odd",), broken={"odd": MemoryError("no room")})
    found = opened(fake, files)
    assert (found.how, found.choice, found.problem) == ("default", Choice(), "MemoryError: no room")
    assert fake.still_open == [("default", 1)]
    (files.parent / "tuning" / "lock").unlink()
    (files.parent / "tuning").rmdir()
    (files.parent / "tuning").write_text("in the way")
    found = opened(Fake(costs(default=10)), files)
    assert found.how == "default"
    assert found.problem
    (files / "model.bin").unlink()
    with pytest.raises(ExportFailed, match=r"model\.bin is missing"):
        opened(fake, files)


def test_one_process_of_a_host_measures_at_a_time(files: Path) -> None:
    fake = Fake(costs(default=10, other=5), ("other",))
    (files.parent / "tuning").mkdir()
    with (files.parent / "tuning" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = opened(fake, files, budget_s=0.005)
    assert (found.how, found.choice) == ("default", Choice())
    assert found.problem == "other processes of this host are measuring"
    assert opened(fake, files).how == "measured"


def test_compiled_code_is_tried_where_it_was_asked_for_whatever_time_is_left(files: Path) -> None:
    fake = Fake(costs(default=1000, a=1000, compiled=10), ("a",), ("compiled",))
    assert "compiled" not in outcomes(opened(fake, files, budget_s=0.1))
    note(files).unlink()
    found = opened(fake, files, budget_s=0.1, compiles=True)
    assert found.choice.options == {"way": "compiled"}
    assert opened(fake, files, compiles=True).how == "remembered"
    assert opened(fake, files).how == "measured", "the host was told not to compile since"


TORCH_FREE = """
import json, sys
from pathlib import Path
from models.backends import BACKENDS
from models.signature import Signature
from models.tuning import Tuner
tuner = Tuner(Path(sys.argv[1]) / "tuning", budget_s=0.2)
signature = Signature.from_json(json.loads(sys.argv[2]))
ways = [tuner.open(BACKENDS["onnxruntime"], Path(sys.argv[1]), signature) for _ in range(2)]
print([way.how for way in ways], len(ways[0].tried), {"torch", "onnx"} & set(sys.modules))
"""


def test_real_models_are_tuned_and_onnx_without_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # as many cores as there are
    trained = image_model()
    for name in ("eager", "torchscript", "onnxruntime"):
        BACKENDS[name].export(trained.servable, trained.heldout, trained.signature, tmp_path)
    tuner = Tuner(tmp_path / "tuning", budget_s=0.2)
    batch = take(trained.heldout, 0, 7)
    for name in ("eager", "torchscript"):
        first, second = (tuner.open(BACKENDS[name], tmp_path, trained.signature) for _ in "12")
        assert (first.how, second.how, first.problem) == ("measured", "remembered", None)
        np.testing.assert_allclose(
            second.runner.run(batch)["probabilities"],
            first.runner.run(batch)["probabilities"],
            rtol=1e-4,
        )
    arguments = [str(tmp_path), json.dumps(trained.signature.to_json())]
    done = subprocess.run(
        [sys.executable, "-c", TORCH_FREE, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "['measured', 'remembered'] 4 set()"
