"""From a trained model to a directory of files that can be served, each with its certificate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.backends import BACKENDS
from models.backends.base import Backend, Runner, export_failed
from models.card import model_card
from models.errors import ExportFailed
from models.files import sha256, write_atomically
from models.lazy import lazy
from models.parity import BIT_EQUAL, Certificate, Reference, answer_all, certify
from models.rows import Tensors, row_count
from models.run import Reporter
from models.signature import Signature

if TYPE_CHECKING:
    import models.torch_runner as torch_runner
    from models.servable import Servable
else:
    torch_runner = lazy("models.torch_runner")

JSON, MARKDOWN = "application/json", "text/markdown; charset=utf-8"
SIGNATURE_FILE, CARD_FILE, ARCHITECTURE_FILE = "signature.json", "card.md", "architecture.json"

THREADS = 1
"""Certificates are made on one thread: the same bits however many cores there are, and no threads
that wait for each other on a busy machine (ResNet-18, two cores: forty times slower, measured)."""


@dataclass
class TrainedModel:
    """What a pipeline hands over to be published."""

    servable: Servable
    """In eval mode, on the CPU, with trained weights."""
    signature: Signature
    task: str
    classes: list[str] | None
    metrics: dict[str, float]
    heldout: Tensors
    """Raw rows that training never saw, by input name; 64 where there are so many."""


@dataclass(frozen=True)
class PublishedFile:
    name: str
    media_type: str
    path: Path
    size_bytes: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "media_type": self.media_type,
            "path": str(self.path),
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PublishedFile:
        return cls(
            value["name"],
            value["media_type"],
            Path(value["path"]),
            value["size_bytes"],
            value["sha256"],
        )


@dataclass(frozen=True)
class Publication:
    """Everything that the registry stores about a new version."""

    signature: Signature
    task: str
    classes: list[str] | None
    metrics: dict[str, float]
    backends: dict[str, dict[str, Any]]
    """The contract's `backends`: status, reason and parity by backend."""
    files: list[PublishedFile]

    def to_json(self) -> dict[str, Any]:
        return {
            "signature": self.signature.to_json(),
            "task": self.task,
            "classes": self.classes,
            "metrics": self.metrics,
            "backends": self.backends,
            "files": [file.to_json() for file in self.files],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Publication:
        return cls(
            Signature.from_json(value["signature"]),
            value["task"],
            value["classes"],
            value["metrics"],
            value["backends"],
            [PublishedFile.from_json(file) for file in value["files"]],
        )


def publish(
    trained: TrainedModel,
    directory: Path,
    *,
    report: Reporter,
    backends: Mapping[str, Backend] = BACKENDS,
) -> Publication:
    """Export `trained` through every backend into `directory`, certify each, write the card.

    A backend that cannot be exported or loaded is `failed`, one whose answers differ is
    `rejected`, both with the reason, and publishing goes on. Raises `ExportFailed` only where
    the held-out rows do not fit the signature.
    """
    _check_heldout(trained)
    directory.mkdir(parents=True, exist_ok=True)
    trained.servable.cpu().eval()
    in_memory = torch_runner.TorchRunner(trained.servable, trained.signature, threads=THREADS)
    reference = answer_all(in_memory, trained.heldout)
    verdicts: dict[str, dict[str, Any]] = {}
    for name, backend in backends.items():
        verdicts[name] = _verdict(backend, trained, reference, directory)
        _tell(report, name, verdicts[name])
    _write_texts(trained, verdicts, directory)
    return Publication(
        trained.signature,
        trained.task,
        trained.classes,
        trained.metrics,
        verdicts,
        _files(directory, backends),
    )


def _check_heldout(trained: TrainedModel) -> None:
    for spec in trained.signature.inputs:
        rows = trained.heldout.get(spec.name)
        if rows is None or not len(rows):
            raise ExportFailed(f"there are no held-out rows for input '{spec.name}'")
        if rows.dtype != spec.dtype or not spec.accepts(rows.shape):
            raise ExportFailed(
                f"held-out rows of '{spec.name}' are {rows.dtype} of shape {rows.shape}, "
                f"the signature says {spec.datatype} of shape {list(spec.shape)}"
            )
    if len({len(rows) for rows in trained.heldout.values()}) > 1:
        raise ExportFailed("held-out inputs differ in their number of rows")


def _verdict(
    backend: Backend, trained: TrainedModel, reference: Reference, directory: Path
) -> dict[str, Any]:
    try:
        backend.export(trained.servable, trained.heldout, trained.signature, directory)
        runner = backend.load(directory, trained.signature, threads=THREADS)
        try:
            certificate = _certificate(backend, runner, reference, trained)
        finally:
            runner.close()
    except ExportFailed as error:
        (directory / backend.file).unlink(missing_ok=True)
        return _entry("failed", str(error))
    status = "certified" if certificate.passed else "rejected"
    return _entry(status, certificate.reason, certificate.to_json())


def _certificate(
    backend: Backend, runner: Runner, reference: Reference, trained: TrainedModel
) -> Certificate:
    try:
        return certify(
            runner,
            reference,
            trained.signature,
            task=trained.task,
            tolerance=BIT_EQUAL if backend.name == "eager" else None,
        )
    except Exception as error:  # whatever the library raises where the exported model does not run
        raise export_failed("the exported model does not run", error) from error


def _entry(status: str, reason: str | None, parity: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"status": status, "reason": reason, "parity": parity}


def _tell(report: Reporter, name: str, verdict: dict[str, Any]) -> None:
    certified = verdict["status"] == "certified"
    message = f"{name}: {verdict['status']}"
    report.log(
        message if certified else f"{message}: {verdict['reason']}",
        level="info" if certified else "warning",
        backend=name,
        **verdict,
    )


def _write_texts(
    trained: TrainedModel, verdicts: Mapping[str, Mapping[str, Any]], directory: Path
) -> None:
    signature = json.dumps(trained.signature.to_json(), indent=2)
    write_atomically(directory / SIGNATURE_FILE, signature.encode())
    card = model_card(
        trained.task,
        trained.classes,
        trained.metrics,
        trained.signature,
        verdicts,
        heldout=row_count(trained.heldout),
    )
    write_atomically(directory / CARD_FILE, card.encode())


def _files(directory: Path, backends: Mapping[str, Backend]) -> list[PublishedFile]:
    types = {backend.file: backend.media_type for backend in backends.values()}
    types |= {ARCHITECTURE_FILE: JSON, SIGNATURE_FILE: JSON, CARD_FILE: MARKDOWN}
    return [
        PublishedFile(name, media_type, path, path.stat().st_size, sha256(path))
        for name, media_type in types.items()
        if (path := directory / name).is_file()
    ]
