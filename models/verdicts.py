"""How a backend stands with a new version: exported, loaded again, compared with the original."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.backends.base import Backend, Runner, export_failed
from models.errors import ExportFailed
from models.parity import BIT_EQUAL, Certificate, Reference, certify

if TYPE_CHECKING:
    from models.publishing import TrainedModel

THREADS = 1
"""Certificates are made on one thread: the same bits however many cores there are, and no threads
that wait for each other on a busy machine (ResNet-18, two cores: forty times slower, measured)."""

Verdict = dict[str, Any]
"""An entry of the contract's `backends`: status, reason and parity."""


def verdict(
    backend: Backend, trained: TrainedModel, reference: Reference, directory: Path
) -> Verdict:
    """Export `trained` into `directory` and certify it against `reference`.

    `failed` where it cannot be exported or loaded or does not run, and then there is no file;
    `rejected` where its answers differ. Both with the reason.
    """
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


def _entry(status: str, reason: str | None, parity: dict[str, Any] | None = None) -> Verdict:
    return {"status": status, "reason": reason, "parity": parity}
