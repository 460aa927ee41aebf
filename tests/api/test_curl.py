"""curl as it is in the README, run by a shell against the process that users run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import ROOT, Process
from tests.api.test_tritonclient_tensors import picture
from tests.support.tritoncalls import expected, heldout

README = "http://127.0.0.1:8000"

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def sh(command: str, process: Process, where: Path) -> str:
    done = subprocess.run(
        ["sh", "-c", command.replace(README, process.url)],
        cwd=where,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def in_readme(part: str) -> str:
    """The one command of the README that has `part` in it, for the model `image`."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "README.md").read_text())
    (command,) = re.findall(rf"^\$ (curl .*{re.escape(part)}.*)$", text, re.MULTILINE)
    return command.replace("image-classification", "image")


@pytest.mark.client("curl", "a picture to /v1/…/predict, as in the README")
def test_a_picture(process: Process, tmp_path: Path) -> None:
    (tmp_path / "digit.png").write_bytes(picture(heldout(1)[0]))
    answer: dict[str, Any] = json.loads(sh(in_readme("/predict"), process, tmp_path))
    assert answer["outputs"][0] == pytest.approx(expected(heldout(1))[0].tolist(), abs=5e-3)


@pytest.mark.client("curl", "infer: JSON")
def test_json(process: Process, tmp_path: Path) -> None:
    rows = heldout(2)
    tensor = {"name": "images", "datatype": "FP32", "shape": [2, 1, 8, 8], "data": rows.tolist()}
    (tmp_path / "request.json").write_text(json.dumps({"inputs": [tensor]}))
    command = f"curl -s {README}/v2/models/image/infer -d @request.json"
    (output,) = json.loads(sh(command, process, tmp_path))["outputs"]
    assert output["data"] == pytest.approx(expected(rows).reshape(-1).tolist(), abs=1e-5)


@pytest.mark.client("curl", "infer: raw bytes alone, Inference-Header-Content-Length: 0")
def test_raw_bytes(process: Process, tmp_path: Path) -> None:
    rows = heldout(2)
    (tmp_path / "rows.bin").write_bytes(rows.tobytes())
    command = (
        f"curl -s {README}/v2/models/image/infer -H 'Inference-Header-Content-Length: 0' "
        "--data-binary @rows.bin | tail -c 24 | od -A n -t f4 -v"
    )
    found = [float(number) for number in sh(command, process, tmp_path).split()]
    assert found == pytest.approx(expected(rows).reshape(-1).tolist(), abs=1e-5)


@pytest.mark.client("curl", "infer: a gzip request, a gzip answer")
def test_gzip(process: Process, tmp_path: Path) -> None:
    tensor = {"name": "images", "datatype": "FP32", "shape": [1, 1, 8, 8], "data": [0.5] * 64}
    (tmp_path / "request.json").write_text(json.dumps({"inputs": [tensor]}))
    command = (
        "gzip -c request.json | "
        f"curl -s {README}/v2/models/image/infer -H 'Content-Encoding: gzip' "
        "-H 'Accept-Encoding: gzip' --data-binary @- | gzip -dc"
    )
    assert json.loads(sh(command, process, tmp_path))["outputs"][0]["shape"] == [1, 3]


@pytest.mark.client("curl", "health, metadata, statistics; a wrong request is a 400 with `error`")
def test_what_is_asked_about_models(process: Process, tmp_path: Path) -> None:
    for path, key in (
        ("/v2/health/ready", "ready"),
        ("/v2/models/image", "inputs"),
        ("/v2/models/image/stats", "model_stats"),
    ):
        assert key in json.loads(sh(f"curl -sf {README}{path}", process, tmp_path))
    command = f"curl -s -w '%{{http_code}}' {README}/v2/models/image/infer -d '{{}}'"
    answer = sh(command, process, tmp_path)
    assert (list(json.loads(answer[:-3])), answer[-3:]) == (["error"], "400")
