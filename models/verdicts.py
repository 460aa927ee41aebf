"""How a backend stands with a new version: exported, loaded again, compared with the original."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.backends.base import Backend, Runner, export_failed
from models.closeness import Closeness, certify_close
from models.errors import ExportFailed
from models.parity import BIT_EQUAL, Certificate, Reference, certify
from models.rows import Tensors
from models.run import Reporter
from models.signature import Signature

if TYPE_CHECKING:
    from models.publishing import TrainedModel

THREADS = 1
"""Certificates are made on one thread: the same bits however many cores there are, and no threads
that wait for each other on a busy machine (ResNet-18, two cores: forty times slower, measured)."""

Judge = Callable[[Runner, Reference, Signature], Certificate | Closeness]
Verdict = dict[str, Any]
"""An entry of the contract's `backends`: status, reason and parity."""


def verdict(
    backend: Backend,
    trained: TrainedModel,
    reference: Reference,
    directory: Path,
    report: Reporter,
) -> Verdict:
    """Export `trained` into `directory` and certify it against `reference`.

    `failed` where it cannot be exported or loaded or does not run, and then there is no file;
    `rejected` where its answers differ. Both with the reason.
    """
    tolerance = BIT_EQUAL if backend.name == "eager" else None
    judge = partial(certify, task=trained.task, tolerance=tolerance)
    return _judged(backend, trained, trained.heldout, reference, directory, judge, report)


def variant_verdict(
    backend: Backend,
    trained: TrainedModel,
    reference: Reference,
    directory: Path,
    report: Reporter,
) -> Verdict:
    """The same for a backend of `VARIANTS`: made with rows of the training data, by a bound of its
    own, and not for `auto` to pick. `reference` is `closeness`'s."""
    if trained.calibration is None:
        return _entry("failed", "there are no training rows to calibrate with") | {"auto": False}
    judge = partial(certify_close, task=trained.task)
    found = _judged(backend, trained, trained.calibration, reference, directory, judge, report)
    return found | {"auto": False}


def _judged(
    backend: Backend,
    trained: TrainedModel,
    example: Tensors,
    reference: Reference,
    directory: Path,
    judge: Judge,
    report: Reporter,
) -> Verdict:
    try:
        with report.span("export", backend=backend.name):
            backend.export(trained.servable, example, trained.signature, directory)
        with report.span("certify", backend=backend.name):
            runner = backend.load(directory, trained.signature, threads=THREADS)
            try:
                certificate = _certificate(runner, reference, trained, judge)
            finally:
                runner.close()
    except ExportFailed as error:
        (directory / backend.file).unlink(missing_ok=True)
        return _entry("failed", str(error))
    status = "certified" if certificate.passed else "rejected"
    return _entry(status, certificate.reason, certificate.to_json())


def _certificate(
    runner: Runner, reference: Reference, trained: TrainedModel, judge: Judge
) -> Certificate | Closeness:
    try:
        return judge(runner, reference, trained.signature)
    except Exception as error:  # whatever the library raises where the exported model does not run
        raise export_failed("the exported model does not run", error) from error


def _entry(status: str, reason: str | None, parity: dict[str, Any] | None = None) -> Verdict:
    return {"status": status, "reason": reason, "parity": parity}
