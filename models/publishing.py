"""From a trained model to a directory of files that can be served, each with its certificate."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import closeness
from models.backends import BACKENDS, VARIANTS
from models.backends.base import Backend
from models.backends.torchscript import ScriptedBackend
from models.card import model_card
from models.errors import ExportFailed
from models.files import sha256, write_atomically
from models.lazy import lazy
from models.parity import answer_all
from models.rows import Tensors, row_count
from models.run import Reporter
from models.signature import Signature
from models.verdicts import THREADS, Verdict, variant_verdict, verdict

if TYPE_CHECKING:
    import models.torch_runner as torch_runner
    from models.servable import Servable
else:
    torch_runner = lazy("models.torch_runner")

JSON, MARKDOWN = "application/json", "text/markdown; charset=utf-8"
SIGNATURE_FILE, CARD_FILE, ARCHITECTURE_FILE = "signature.json", "card.md", "architecture.json"
CHECKPOINT_FILE = "checkpoint.pt"
OCTETS = "application/octet-stream"
SCRIPTED = ScriptedBackend()


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
    checkpoint: Path | None = None
    """The training's last checkpoint, to go on from; None where there is none."""
    calibration: Tensors | None = None
    """Raw rows of the training data, for `variants`; None where there are none."""
    variants: Sequence[str] = ()
    """Names of `VARIANTS` to make besides."""


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
    backends: dict[str, Verdict]
    """The contract's `backends`: status, reason and parity by backend. That of `torchscript`, which
    is traced, holds another one, `scripted`."""
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
    verdicts: dict[str, Verdict] = {}
    for name, backend in backends.items():
        verdicts[name] = verdict(backend, trained, reference, directory, report)
        if name == "torchscript":
            scripted = verdict(SCRIPTED, trained, reference, directory, report)
            verdicts[name]["scripted"] = scripted
        _tell(report, name, verdicts[name])
    made = {name: VARIANTS[name] for name in trained.variants}
    if made:
        reference = closeness.reference(in_memory, trained.heldout)
    for name, backend in made.items():
        verdicts[name] = variant_verdict(backend, trained, reference, directory, report)
        _tell(report, name, verdicts[name])
    _write_texts(trained, verdicts, directory)
    return Publication(
        trained.signature,
        trained.task,
        trained.classes,
        trained.metrics,
        verdicts,
        _files(trained, directory, {**backends, **made}),
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


def _tell(report: Reporter, name: str, found: Verdict) -> None:
    certified = found["status"] == "certified"
    message = f"{name}: {found['status']}"
    report.log(
        message if certified else f"{message}: {found['reason']}",
        level="info" if certified else "warning",
        backend=name,
        **found,
    )
    scripted: Verdict | None = found.get("scripted")
    if scripted is not None and scripted["status"] != "certified":
        message = f"{name} by scripting: {scripted['status']}: {scripted['reason']}"
        report.log(message, level="warning", backend=name)


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


def _files(
    trained: TrainedModel, directory: Path, backends: Mapping[str, Backend]
) -> list[PublishedFile]:
    types = {backend.file: backend.media_type for backend in (*backends.values(), SCRIPTED)}
    types |= {ARCHITECTURE_FILE: JSON, SIGNATURE_FILE: JSON, CARD_FILE: MARKDOWN}
    files = [
        _published(name, media_type, path)
        for name, media_type in types.items()
        if (path := directory / name).is_file()
    ]
    if trained.checkpoint is not None:  # as it lies there: it may be large
        files.append(_published(CHECKPOINT_FILE, OCTETS, trained.checkpoint))
    return files


def _published(name: str, media_type: str, path: Path) -> PublishedFile:
    return PublishedFile(name, media_type, path, path.stat().st_size, sha256(path))
