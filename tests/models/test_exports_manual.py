"""The snippets of docs/exports.md, run one by one on the files of a version."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.publishing import TrainedModel, publish
from models.servable import build
from tests.support.models import RecordingReporter, signature
from tests.support.small_fit import train

MANUAL = (Path(__file__).parents[2] / "docs/exports.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", MANUAL, re.DOTALL)
NET = {"name": "mlp", "inputs": 784, "hidden": [128, 64], "outputs": 10, "dropout": 0.2}


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainedModel]:
    """As image-classification makes them, with fresh weights; a checkpoint lies beside them."""
    directory = tmp_path_factory.mktemp("exports")
    torch.manual_seed(0)
    parts = {"pre": {"name": "normalize", "channels": 1}, "net": NET, "post": {"name": "softmax"}}
    servable = build(parts).eval()
    servable.pre.set([0.3], [0.4])
    rows = np.random.default_rng(0).random((40, 1, 28, 28), dtype=np.float32)
    checkpoint = train(directory, epochs=1)[0].checkpoint.path
    made = TrainedModel(
        servable,
        signature((1, 28, 28), 10, names=("input", "probabilities")),
        "multiclass",
        None,
        {},
        {"input": rows},
        checkpoint,
    )
    published = publish(made, directory / "version", report=RecordingReporter())
    for file in published.files:
        (directory / "version" / file.name).write_bytes(file.path.read_bytes())
        assert f"`{file.name}`" in MANUAL
    return directory / "version", made


@pytest.mark.filterwarnings("ignore:.*torch.jit.load.*:FutureWarning")
@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_it_does_what_the_manual_says(
    snippet: str, version: tuple[Path, TrainedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, made = version
    rows = made.heldout["input"][:5]
    monkeypatch.chdir(directory)
    names: dict[str, Any] = {"rows": rows}
    exec(compile(snippet, "docs/exports.md", "exec"), names)
    if "answer" in names:
        with torch.inference_mode():
            expected = made.servable(torch.from_numpy(rows)).numpy()
        assert names["answer"] == pytest.approx(expected, abs=1e-6)
    else:
        assert names["epoch"] == len(names["history"]) == 1
        assert {*names["weights"]} == {"0.weight", "0.bias", "3.weight", "3.bias"}
        assert names["moments"]["state"]
    if "scripted" in snippet:
        assert names["weights"].shape == (128, 784)


def test_there_is_a_snippet_for_every_file_that_holds_weights() -> None:
    assert len(SNIPPETS) == 7
    text = "".join(SNIPPETS)
    for file in ("onnx", "torchscript.pt", "scripted.pt", "pt2", "safetensors"):
        assert f"model.{file}" in text
    assert "checkpoint.pt" in text
