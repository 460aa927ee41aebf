"""The inference client of KServe's SDK, from an environment of its own: `make clients`."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import numpy as np
import pytest

from tests.api.conftest import Process
from tests.support.clients import KSERVE_PYTHON, TESTS
from tests.support.tritoncalls import heldout, is_right


@pytest.fixture(scope="module")
def results(process: Process) -> dict[str, Any]:
    """What each call gave. KServe pins what this service pins otherwise, so it is not installed
    beside it."""
    if not KSERVE_PYTHON.exists():
        pytest.skip("KServe's client is not installed; `make clients` does it")
    done = subprocess.run(
        [KSERVE_PYTHON, "-W", "ignore", TESTS / "support/kserve_client/use.py"],
        input=json.dumps({"url": process.url, "grpc": process.grpc, "rows": heldout().tolist()}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.client("kserve", "InferenceRESTClient: server live, server ready, model ready")
def test_health(results: dict[str, Any]) -> None:
    assert (results["live"], results["ready"], results["models"]) == (True, True, [True, False])


@pytest.mark.client("kserve", "InferenceRESTClient: infer, JSON and binary")
@pytest.mark.parametrize("form", ["json", "binary"])
def test_inference(results: dict[str, Any], form: str) -> None:
    assert is_right(np.array(results[form], np.float32), heldout())


@pytest.mark.client("kserve", "InferenceRESTClient: errors with their words")
def test_errors(results: dict[str, Any]) -> None:
    assert "there is no model nope" in results["error"]


@pytest.mark.client("kserve", "InferenceGRPCClient: server live, server ready, model ready, infer")
def test_grpc(results: dict[str, Any]) -> None:
    found = results["grpc"]
    assert (found["live"], found["ready"], found["model"]) == (True, True, True)
    assert is_right(np.array(found["raw"], np.float32), heldout())


@pytest.mark.client("kserve", "InferenceGRPCClient: errors with their words")
def test_grpc_errors(results: dict[str, Any]) -> None:
    assert "there is no model nope" in results["grpc"]["error"]
