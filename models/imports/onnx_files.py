"""An ONNX file to a version: read, run on made-up rows, certified, described."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.backends import BACKENDS
from models.backends.onnxruntime import OnnxRuntimeBackend
from models.card import model_card
from models.errors import ExportFailed, RefusedModel
from models.files import sha256, write_atomically
from models.imports.graphs import read_graph
from models.imports.reasons import reason
from models.imports.requests import ImportRequest
from models.imports.rowwise import ROWS, certify_rows, made_up
from models.imports.signatures import signature_of
from models.lazy import lazy
from models.parity import CLASSIFIERS
from models.publishing import (
    CARD_FILE,
    JSON,
    MARKDOWN,
    SIGNATURE_FILE,
    Publication,
    PublishedFile,
)
from models.signature import Signature
from models.verdicts import THREADS

if TYPE_CHECKING:
    import onnx

onnxruntime = lazy("onnxruntime")  # has no types to import for checkers

BACKEND = OnnxRuntimeBackend()
ABSENT = "imported as ONNX"
CERTIFICATES = (
    f"The answers to a batch against those to each of its rows alone, on {ROWS} made-up rows: the "
    "model came as ONNX, without another one to compare it with."
)


def import_onnx(request: ImportRequest) -> tuple[Publication, dict[str, Any]]:
    """→ the publication, its files in the request's directory, and what the file says of its
    origin. Raises `RefusedModel`."""
    directory = Path(request.directory)
    model = read_graph(Path(request.file))
    origin = _origin(model)
    del model  # its weights: ONNX Runtime has its own
    shutil.copyfile(request.file, directory / BACKEND.file)
    signature = _signature(directory / BACKEND.file)
    _check_classes(request, signature)
    try:
        runner = BACKEND.load(directory, signature, threads=THREADS)
    except ExportFailed as error:
        raise RefusedModel(str(error)) from error
    certificate = certify_rows(runner, made_up(signature), signature)
    runner.close()
    backends: dict[str, dict[str, Any]] = {
        name: {"status": "absent", "reason": ABSENT, "parity": None} for name in BACKENDS
    }
    backends[BACKEND.name] = {
        "status": "certified",
        "reason": None,
        "parity": certificate.to_json(),
    }
    _write_texts(request, signature, backends, directory)
    task = request.resolved_task
    files = _files(directory)
    return Publication(signature, task, request.classes, {}, backends, files), origin


def _signature(file: Path) -> Signature:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = THREADS
    try:
        session = onnxruntime.InferenceSession(
            file.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its exceptions have no common base but Exception
        raise RefusedModel(f"ONNX Runtime refuses the model: {reason(error)}") from error
    return signature_of(session)


def _origin(model: onnx.ModelProto) -> dict[str, Any]:
    said = {
        "producer_name": model.producer_name,
        "producer_version": model.producer_version,
        "domain": model.domain,
    }
    printable = {name: text[:128] for name, text in said.items() if text.isprintable() and text}
    opsets = {opset.domain or "ai.onnx": opset.version for opset in model.opset_import}
    return {**printable, "ir_version": model.ir_version, "opsets": opsets}


def _check_classes(request: ImportRequest, signature: Signature) -> None:
    """Labels are told by an output with a column for each class."""
    if request.classes is None:
        if request.task in CLASSIFIERS:
            raise RefusedModel(
                f"expected the classes of a {request.task} model, got none", "classes"
            )
        return
    count = len(request.classes)
    widths = [spec.shape[1] for spec in signature.outputs if len(spec.shape) == 2]
    if request.resolved_task in CLASSIFIERS and not {count, -1} & {*widths}:
        raise RefusedModel(
            f"expected as many as an output has columns ({', '.join(map(str, widths)) or 'none'}), "
            f"got {count}",
            "classes",
        )


def _write_texts(
    request: ImportRequest,
    signature: Signature,
    backends: dict[str, dict[str, Any]],
    directory: Path,
) -> None:
    text = json.dumps(signature.to_json(), indent=2)
    write_atomically(directory / SIGNATURE_FILE, text.encode())
    card = model_card(
        request.resolved_task,
        request.classes,
        {},
        signature,
        backends,
        heldout=ROWS,
        certificates=CERTIFICATES,
    )
    write_atomically(directory / CARD_FILE, card.encode())


def _files(directory: Path) -> list[PublishedFile]:
    types = {BACKEND.file: BACKEND.media_type, SIGNATURE_FILE: JSON, CARD_FILE: MARKDOWN}
    paths = {name: directory / name for name in types}
    return [
        PublishedFile(name, types[name], path, path.stat().st_size, sha256(path))
        for name, path in paths.items()
    ]
