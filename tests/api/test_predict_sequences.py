"""Sequences of different lengths over HTTP, on both surfaces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from models.backends import BACKENDS
from models.signature import LENGTHS
from tests.api.conftest import Api
from tests.support.published import add_version, trained

pytestmark = pytest.mark.long


def alone(steps: np.ndarray[Any, Any]) -> list[float]:
    """What the trained model says to one sequence without padding."""
    lengths = torch.tensor([len(steps)])
    with torch.inference_mode():
        answer: Any = trained("sequence").servable(torch.from_numpy(steps[None]), lengths)
    return answer[0].tolist()


def test_each_sequence_is_answered_as_if_it_came_alone(api: Api) -> None:
    add_version(api.container, "sequence", name="steps")
    held = trained("sequence").heldout
    own = [steps[:count] for steps, count in zip(held["input"], held[LENGTHS], strict=True)][:12]
    assert len({len(steps) for steps in own}) > 3
    for backend in BACKENDS:
        rows = [{"input": steps.tolist()} for steps in own]
        body = {"inputs": rows}
        url = f"/v1/models/steps/predict?backend={backend}"
        answer = api.client.post(url, json=body).json()
        for given, steps in zip(answer["probabilities"], own, strict=True):
            assert given == pytest.approx(alone(steps), abs=1e-5)


def test_a_padded_tensor_and_any_lengths_are_answered_too(api: Api) -> None:
    add_version(api.container, "sequence", name="steps")
    steps = trained("sequence").heldout["input"][:3]
    for backend in BACKENDS:
        body = {
            "inputs": [
                {"name": "input", "datatype": "FP32", "shape": [3, 9, 2], "data": steps.tolist()},
                {"name": LENGTHS, "datatype": "INT64", "shape": [3], "data": [-4, 5, 99]},
            ],
            "parameters": {"backend": backend},
        }
        (output,) = api.client.post("/v2/models/steps/infer", json=body).json()["outputs"]
        found = np.asarray(output["data"]).reshape(output["shape"])
        for given, own in zip(found, (steps[0, :1], steps[1, :5], steps[2]), strict=True):
            assert given == pytest.approx(alone(own), abs=1e-5)


def test_a_wrong_sequence_is_named(api: Api) -> None:
    add_version(api.container, "sequence", name="steps")
    rows = [{"input": [[1, 2]]}, {"input": [[1, 2]], LENGTHS: 3}]
    response = api.client.post("/v1/models/steps/predict", json={"inputs": rows})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "inputs.1.lengths"
