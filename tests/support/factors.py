"""Versions that say by their answers which they are: `y` is `x` times a factor of their own.

Two numbers a row; an ONNX file made by hand, because exporting a net takes seconds.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from pathlib import Path

import numpy as np
from onnx import helper, numpy_helper

from models.signature import Signature, TensorSpec
from services.container import Container
from services.job_request import NewJob
from services.publications import NewVersion, StoredFile
from tests.support.onnx_files import model, value

SIGNATURE = Signature(
    (TensorSpec("x", "FP32", (-1, 2)),),
    (TensorSpec("y", "FP32", (-1, 2)),),
)
_numbers = itertools.count()


def write(path: Path, factor: float, *, ballast_bytes: int = 0) -> Path:
    """The file, with weights of so many bytes that take part in the answer as zeros."""
    width = math.isqrt(ballast_bytes // 4) or 1
    nodes = [
        helper.make_node("Mul", ["x", "factor"], ["scaled"]),
        helper.make_node("MatMul", ["x", "widening"], ["wide"]),
        helper.make_node("MatMul", ["wide", "ballast"], ["still wide"]),
        helper.make_node("ReduceSum", ["still wide", "axes"], ["nothing"], keepdims=1),
        helper.make_node("Add", ["scaled", "nothing"], ["y"]),
    ]
    made = model(
        nodes,
        inputs=[value("x", shape=("n", 2))],
        outputs=[value("y", shape=("n", 2))],
        weights=[
            numpy_helper.from_array(np.float32(factor), "factor"),
            numpy_helper.from_array(np.zeros((2, width), np.float32), "widening"),
            numpy_helper.from_array(np.zeros((width, width), np.float32), "ballast"),
            numpy_helper.from_array(np.array([1], np.int64), "axes"),
        ],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(made.SerializeToString())
    return path


def add_factor(
    container: Container, factor: float, *, name: str = "m", ballast_bytes: int = 0
) -> int:
    """Publish a version as a finished job would, certified for ONNX Runtime. → its number."""
    job = container.jobs.submit(NewJob("image-classification", model=name))[0].job
    claim = container.attempts.claim(job.id, "worker-1")
    assert claim is not None
    source = write(
        container.settings.data_dir / f"made-{next(_numbers)}" / "model.onnx",
        factor,
        ballast_bytes=ballast_bytes,
    )
    key = f"models/{name}/{job.id}/model.onnx"
    container.storage.put_file(source, key)
    size, digest = source.stat().st_size, hashlib.sha256(source.read_bytes()).hexdigest()
    version = NewVersion(
        task="regression",
        signature=SIGNATURE.to_json(),
        classes=None,
        metrics={},
        backends={"onnxruntime": {"status": "certified", "reason": None, "parity": {}}},
        lineage={"job_id": job.id},
        files=[StoredFile("model.onnx", "application/octet-stream", size, digest, key)],
    )
    assert container.attempts.succeed(claim, {}, version)
    number = container.jobs.get(job.id).job.model_version
    assert number is not None
    return number
