from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from models.errors import PipelineError
from models.pipelines import diagnostics
from tests.support.runs import Recorder, context, run_pipeline


def test_every_check_passes_and_is_told_with_its_known_value(tmp_path: Path) -> None:
    outcome, report = run_pipeline("diagnostics", tmp_path)
    assert outcome.model is None
    checks = {check["name"]: check for check in outcome.results["checks"]}
    assert list(checks) == list(diagnostics.CHECKS)
    assert all(check["passed"] for check in checks.values())
    assert checks["gradients of x**2 + y**3"]["expected"] == {"dz/dx": 4.0, "dz/dy": 27.0}
    assert checks["gradient beside a detached branch"]["got"] == [[5.0, 5.0], [5.0, 5.0]]
    assert outcome.results["environment"]["torch"] == torch.__version__
    assert outcome.results["environment"]["device"] == "cpu"
    file, media_type = report.artifacts["checks.json"]
    assert media_type == "application/json"
    assert json.loads(file.read_text())["checks"] == outcome.results["checks"]
    json.dumps(outcome.results, allow_nan=False)


@pytest.mark.parametrize("seed", range(20))
def test_no_seed_makes_a_check_of_random_numbers_fail(tmp_path: Path, seed: int) -> None:
    outcome, _ = run_pipeline("diagnostics", tmp_path, seed=seed)
    assert outcome.results["failed"] == 0


def test_a_check_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(diagnostics.CHECKS, "addition", lambda device: ([5, 7, 8], [5, 7, 9]))
    report = Recorder()
    with pytest.raises(PipelineError, match=r"1 of 18 checks failed: addition \(expected") as error:
        diagnostics.run(context(tmp_path, report=report), diagnostics.DiagnosticsParams())
    assert "got [5, 7, 8]" in str(error.value)
    written = json.loads(report.artifacts["checks.json"][0].read_text())
    assert [check["name"] for check in written["checks"] if not check["passed"]] == ["addition"]
