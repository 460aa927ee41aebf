"""Certificates: is a backend the same function as the model that was trained?

Every batch of every size is run through both, on held-out rows, and compared element by element.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.backends.base import Runner
from models.rows import Tensors, row_count, take
from models.signature import Signature

BATCH_SIZES = (1, 2, 7, 32)
MAX_ROWS = 64
"""Rows compared at most, at each batch size: bounds the time that a large model takes."""

CLASSIFIERS = ("binary", "multiclass")
RELATIVE = 1e-4
SCALE_SHARE = 1e-5


@dataclass(frozen=True)
class Tolerance:
    """|got - expected| ≤ abs + rel · |expected|, element by element."""

    abs: float
    rel: float
    why: str

    def allowed(self, expected: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.abs + self.rel * np.abs(expected)


BIT_EQUAL = Tolerance(0.0, 0.0, "the same code with the same weights gives the same bits")


def float32_tolerance(largest: float) -> Tolerance:
    """For backends that add the same float32 terms in another order.

    A sum of n terms is off by about √n·2⁻²⁴ of its largest partial sum (Higham, "Accuracy and
    Stability of Numerical Algorithms", 2002, ch. 4): near 1e-6 for layers of hundreds of inputs.
    The absolute part therefore scales with `largest`, the largest magnitude the model answers, and
    is an order of magnitude wider, for depth; a wrong weight or layer misses by far more.
    """
    why = (
        "float32 sums in another order: 1e-05 of the largest output magnitude, "
        "1e-04 of each element"
    )
    return Tolerance(SCALE_SHARE * (largest or 1.0), RELATIVE, why)


@dataclass(frozen=True)
class Certificate:
    """What the comparison found; `reason` is None where it passed."""

    rows: int
    """Distinct held-out rows used; batches larger than that repeat them."""
    max_abs_error: float
    max_rel_error: float
    """Over elements whose expected magnitude is above the absolute tolerance."""
    argmax_agreement: float | None
    """Share of rows whose most probable class is the same, or tied within the tolerance; None
    where the task is no classification."""
    tolerance: Tolerance
    reason: str | None
    batch_sizes: tuple[int, ...] = BATCH_SIZES

    @property
    def passed(self) -> bool:
        return self.reason is None

    def to_json(self) -> dict[str, Any]:
        """The contract's `parity` object."""
        return {
            "rows": self.rows,
            "batch_sizes": list(self.batch_sizes),
            "max_abs_error": self.max_abs_error,
            "max_rel_error": self.max_rel_error,
            "argmax_agreement": self.argmax_agreement,
            "tolerance": {"abs": self.tolerance.abs, "rel": self.tolerance.rel},
            "tolerance_reason": self.tolerance.why,
        }


@dataclass(frozen=True)
class Reference:
    """The batches to compare on, and what the trained model answers to each."""

    rows: int
    batches: list[dict[str, NDArray[Any]]]
    answers: list[dict[str, NDArray[Any]]]


def answer_all(
    trained: Runner,
    rows: Tensors,
    *,
    max_rows: int = MAX_ROWS,
    batch_sizes: Sequence[int] = BATCH_SIZES,
) -> Reference:
    """Ask the trained model once, for the certificates of all backends.

    Each batch size goes over all held-out `rows` (`max_rows` at most). Raises what the runner
    raises.
    """
    used = min(row_count(rows), max_rows)
    batches = list(_batches(take(rows, 0, used), batch_sizes))
    return Reference(used, batches, [trained.run(batch) for batch in batches])


def certify(
    runner: Runner,
    reference: Reference,
    signature: Signature,
    *,
    task: str,
    tolerance: Tolerance | None = None,
) -> Certificate:
    """Compare `runner` with `reference` at batch sizes 1, 2, 7 and 32, on the same batches.

    Without `tolerance` it is `float32_tolerance` of the reference's answers. NaN or infinity on
    either side, another shape or another datatype rejects, and so does an answer to zero rows that
    is not empty. Raises what the runner raises.
    """
    tolerance = tolerance or float32_tolerance(_largest(reference.answers))
    tally = _Tally(signature, tolerance, classifier=task in CLASSIFIERS)
    tally.empty(runner.run(take(reference.batches[0], 0, 0)))
    for batch, want in zip(reference.batches, reference.answers, strict=True):
        tally.add(want, runner.run(batch), row_count(batch))
    return Certificate(
        rows=reference.rows,
        max_abs_error=tally.max_abs_error,
        max_rel_error=tally.max_rel_error,
        argmax_agreement=tally.agreement,
        tolerance=tolerance,
        reason=tally.reason,
    )


def max_abs_error(expected: Tensors, got: Tensors) -> float:
    """The largest |got - expected| over all outputs; infinity where shapes differ or
    anything is NaN or infinite."""
    worst = 0.0
    for name, want in expected.items():
        if want.shape != got[name].shape:
            return float("inf")
        error = np.abs(got[name].astype(np.float64) - want.astype(np.float64))
        if not np.isfinite(error).all():
            return float("inf")
        worst = max(worst, float(np.max(error, initial=0.0)))
    return worst


def agree(expected: Tensors, got: Tensors) -> bool:
    """Whether all outputs are equal within `float32_tolerance` of the expected ones, text exactly.
    NaN agrees with nothing."""
    tolerance = float32_tolerance(_largest([numbers(expected)]))
    for name, want in expected.items():
        have = got[name]
        if want.shape != have.shape or want.dtype != have.dtype:
            return False
        if want.dtype == np.object_:
            if not np.array_equal(want, have):
                return False
            continue
        wanted = want.astype(np.float64)
        if not (np.abs(have.astype(np.float64) - wanted) <= tolerance.allowed(wanted)).all():
            return False
    return True


def numbers(arrays: Tensors) -> dict[str, NDArray[Any]]:
    """Those that are no text."""
    return {name: array for name, array in arrays.items() if array.dtype != np.object_}


def _batches(rows: Tensors, sizes: Sequence[int]) -> Iterator[dict[str, NDArray[Any]]]:
    """Batches of each size that together cover all rows; read-only, so that a model that works in
    place cannot change what the other side is given."""
    for size in sizes:
        for start in range(0, row_count(rows), size):
            batch = take(rows, start, size)
            for array in batch.values():
                array.flags.writeable = False
            yield batch


def _largest(outputs: list[dict[str, NDArray[Any]]]) -> float:
    """The largest finite magnitude in any output."""
    largest = 0.0
    for arrays in outputs:
        for array in arrays.values():
            magnitude = np.abs(array.astype(np.float64))
            largest = max(largest, float(np.max(magnitude, initial=0.0, where=magnitude < np.inf)))
    return largest


@dataclass
class _Tally:
    """The comparison so far; keeps the first reason to reject and the worst errors."""

    signature: Signature
    tolerance: Tolerance
    classifier: bool
    max_abs_error: float = 0.0
    max_rel_error: float = 0.0
    reason: str | None = None
    _agreed: list[NDArray[np.bool_]] = field(default_factory=list[NDArray[np.bool_]])

    @property
    def agreement(self) -> float | None:
        return float(np.mean(np.concatenate(self._agreed))) if self._agreed else None

    def empty(self, got: Tensors) -> None:
        """Zero rows in, zero rows out."""
        for spec in self.signature.outputs:
            if not spec.accepts(got[spec.name].shape) or row_count(got):
                self._reject(f"zero rows give '{spec.name}' of shape {got[spec.name].shape}")

    def add(self, expected: Tensors, got: Tensors, batch: int) -> None:
        for position, spec in enumerate(self.signature.outputs):
            where = f"batch size {batch}, output '{spec.name}'"
            want, have = expected[spec.name], got[spec.name]
            if have.shape != want.shape or have.dtype != spec.dtype:
                self._reject(
                    f"{where}: {have.dtype} of shape {have.shape}, "
                    f"expected {spec.dtype} of shape {want.shape}"
                )
            elif self._finite(want, have, where):
                self._errors(want.astype(np.float64), have.astype(np.float64), where)
                if self.classifier and position == 0 and want.ndim == 2:
                    self._argmax(want.astype(np.float64), have, where)

    def _finite(self, want: NDArray[Any], have: NDArray[Any], where: str) -> bool:
        for array, whose in ((want, "the trained model's own"), (have, "its")):
            if not np.isfinite(array).all():
                self._reject(f"{where}: {whose} answer has NaN or infinity")
                return False
        return True

    def _errors(self, want: NDArray[np.float64], have: NDArray[np.float64], where: str) -> None:
        error = np.abs(have - want)
        worst = float(np.max(error, initial=0.0))
        self.max_abs_error = max(self.max_abs_error, worst)
        size = np.abs(want)
        relative = np.divide(error, size, out=np.zeros_like(error), where=size > self.tolerance.abs)
        self.max_rel_error = max(self.max_rel_error, float(np.max(relative, initial=0.0)))
        if (error > self.tolerance.allowed(want)).any():
            self._reject(
                f"{where}: off by {worst:.3g}, more than "
                f"{self.tolerance.abs:.3g} + {self.tolerance.rel:.3g}·|expected|"
            )

    def _argmax(self, want: NDArray[np.float64], have: NDArray[Any], where: str) -> None:
        """Another top class is no disagreement where the two are tied within the tolerance."""
        each = np.arange(len(want))
        top = want[each, want.argmax(axis=1)]
        chosen = want[each, have.argmax(axis=1)]
        agreed = top - chosen <= self.tolerance.allowed(top)
        self._agreed.append(agreed)
        if not agreed.all():
            self._reject(f"{where}: another class comes first in {int((~agreed).sum())} rows")

    def _reject(self, reason: str) -> None:
        self.reason = self.reason or reason
