"""From a version's files to the bytes of an answer."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.backends.eager import EagerBackend
from models.errors import ExportFailed
from models.inspection import requests
from models.inspection.requests import Inspection
from models.rows import synthetic
from models.servable import build
from tests.support.models import signature


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    net = {"name": "mlp", "inputs": 64, "outputs": 3, "hidden": [8]}
    servable = build(
        {"pre": {"name": "normalize", "channels": 1}, "net": net, "post": {"name": "softmax"}}
    )
    EagerBackend().export(servable, {}, signature((1, 8, 8), 3), tmp_path)
    return tmp_path


def test_a_request_is_answered_with_bytes(directory: Path) -> None:
    asked = Inspection("summary", directory, signature((1, 8, 8), 3), about={"version": 3})
    answer = json.loads(requests.perform(asked))
    assert answer["version"] == 3
    assert answer["parameters"] == 64 * 8 + 8 + 8 * 3 + 3
    rows = synthetic(signature((1, 8, 8), 3), 2, seed=0)
    taken = Inspection("features", directory, asked.signature, inputs=rows, layer="net.layers.1")
    assert np.array(json.loads(requests.perform(taken))["features"]).shape == (2, 8)
    drawn = Inspection("weights", directory, asked.signature, layer="net.layers.1", format="png")
    assert Image.open(io.BytesIO(requests.perform(drawn))).format == "PNG"


def test_weights_that_do_not_fit_are_no_crash(directory: Path) -> None:
    (directory / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ExportFailed, match=r"model.safetensors does not fit"):
        requests.perform(Inspection("summary", directory, signature((1, 8, 8), 3)))
