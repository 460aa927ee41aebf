"""torch.export: which nets it takes, and what its file holds."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.backends.torchexport import PACKAGE, TorchExportBackend
from models.nets import NETS
from models.parity import answer_all, certify
from models.rows import synthetic, take
from models.servable import build
from models.torch_runner import TorchRunner
from tests.models.backends.test_scripted import EXAMPLES, signature
from tests.support.models import Exported, image_model

BACKEND = TorchExportBackend()


@pytest.mark.parametrize("name", NETS)
def test_every_net_says_the_same_exported(name: str, tmp_path: Path) -> None:
    options, row = EXAMPLES[name]
    takes = signature(row, (1, *row[1:]) if name == "unet" else (3,))
    torch.manual_seed(0)
    parts: dict[str, Any] = {"pre": {"name": "identity"}, "post": {"name": "identity"}}
    servable = build({**parts, "net": {"name": name, **options}}).eval()
    rows = synthetic(takes, 9, seed=1)
    BACKEND.export(servable, rows, takes, tmp_path)
    runner = BACKEND.load(tmp_path, takes, threads=1)
    reference = answer_all(TorchRunner(servable, takes), rows)
    assert certify(runner, reference, takes, task="regression").reason is None


def test_the_held_out_rows_are_not_in_the_file(image: Exported) -> None:
    """Nor anything that opens by running code."""
    row = image.trained.heldout["images"][:1].tobytes()
    with zipfile.ZipFile(image.directory / BACKEND.file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert not any(row in part for part in parts.values())


@pytest.mark.long
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiles C++")
def test_compiled_for_the_host_it_says_the_same(tmp_path: Path) -> None:
    trained = image_model()
    BACKEND.export(trained.servable, trained.heldout, trained.signature, tmp_path)
    package = tmp_path / "compiled" / "model.pt2"
    (options,) = BACKEND.choices(trained.signature, compiled=package)
    assert options == {PACKAGE: str(package)}
    assert BACKEND.choices(trained.signature) == ()
    reference = answer_all(TorchRunner(trained.servable, trained.signature), trained.heldout)
    first = BACKEND.load(tmp_path, trained.signature, threads=1, options=options)
    assert certify(first, reference, trained.signature, task=trained.task).reason is None
    made = package.read_bytes()
    again = BACKEND.load(tmp_path, trained.signature, threads=1, options=options)
    assert package.read_bytes() == made, "compiled once"
    batch = take(trained.heldout, 0, 7)
    np.testing.assert_array_equal(
        again.run(batch)["probabilities"], first.run(batch)["probabilities"]
    )
