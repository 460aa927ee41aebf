"""Certificates of variants with fewer bits: they are other functions, and may differ from the
trained model by a stated bound on what the task is judged by.

At least 99 % of held-out rows keep their most probable class, so that accuracy differs by one
per cent at most; where there are no classes, the root mean square of the differences is at most
5 % of the standard deviation of the trained model's answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.backends.base import Runner
from models.parity import CLASSIFIERS, Reference, answer_all
from models.rows import Tensors, take
from models.signature import Signature

LEAST_AGREEMENT = 0.99
MOST_RELATIVE_RMSE = 0.05
BATCH_SIZES = (1, 32)
MAX_ROWS = 256
"""Enough for one row in a hundred to be seen."""
NOTABLE = 0.01
"""Share of the largest magnitude from which on a relative error is one."""


@dataclass(frozen=True)
class Closeness:
    """What the comparison found; `reason` is None where the bound is kept."""

    rows: int
    max_abs_error: float
    max_rel_error: float
    """Over elements of at least a hundredth of the largest magnitude."""
    argmax_agreement: float | None
    relative_rmse: float
    reason: str | None

    @property
    def passed(self) -> bool:
        return self.reason is None

    def to_json(self) -> dict[str, Any]:
        """The contract's `parity` object."""
        classes = self.argmax_agreement is not None
        return {
            "rows": self.rows,
            "batch_sizes": list(BATCH_SIZES),
            "max_abs_error": self.max_abs_error,
            "max_rel_error": self.max_rel_error,
            "argmax_agreement": self.argmax_agreement,
            "relative_rmse": self.relative_rmse,
            "tolerance": (
                {"argmax_agreement": LEAST_AGREEMENT}
                if classes
                else {"relative_rmse": MOST_RELATIVE_RMSE}
            ),
            "tolerance_reason": (
                "fewer bits: at least 99% of held-out rows keep their most probable class, so "
                "that accuracy differs by 1% at most"
                if classes
                else "fewer bits: differences from the trained model's answers have a root mean "
                "square of at most 5% of the answers' standard deviation"
            ),
        }


def reference(trained: Runner, rows: Tensors) -> Reference:
    """The trained model's answers to compare with. Raises what the runner raises."""
    return answer_all(trained, rows, max_rows=MAX_ROWS, batch_sizes=BATCH_SIZES)


def certify_close(
    runner: Runner, reference: Reference, signature: Signature, *, task: str
) -> Closeness:
    """Compare `runner` with `reference` on the first output; all of them have to be whole: of the
    right shape and datatype, finite, and empty for zero rows. Raises what the runner raises."""
    empty = runner.run(take(reference.batches[0], 0, 0))
    got = [runner.run(batch) for batch in reference.batches]
    broken = _broken(empty, signature, 0) or next(
        filter(None, (_broken(have, signature) for have in got)), None
    )
    first = signature.outputs[0].name
    if broken is not None:
        return Closeness(reference.rows, 0.0, 0.0, None, 0.0, broken)
    return _compared(
        np.concatenate([answer[first].astype(np.float64) for answer in reference.answers]),
        np.concatenate([answer[first].astype(np.float64) for answer in got]),
        rows=reference.rows,
        classes=task in CLASSIFIERS,
    )


def _compared(
    want: NDArray[np.float64], have: NDArray[np.float64], *, rows: int, classes: bool
) -> Closeness:
    error = np.abs(have - want)
    size = np.abs(want)
    notable = size >= NOTABLE * max(float(size.max(initial=0.0)), 1e-30)
    relative = np.divide(error, size, out=np.zeros_like(error), where=notable & (size > 0))
    rmse = float(np.sqrt(np.mean(error**2))) / max(float(want.std()), 1e-30)
    agreement = (
        float(np.mean(want.argmax(axis=1) == have.argmax(axis=1)))
        if classes and want.ndim == 2
        else None
    )
    return Closeness(
        rows,
        float(error.max(initial=0.0)),
        float(relative.max(initial=0.0)),
        agreement,
        rmse,
        _reason(agreement, rmse),
    )


def _reason(agreement: float | None, rmse: float) -> str | None:
    if agreement is not None:
        if agreement >= LEAST_AGREEMENT:
            return None
        return f"{agreement:.2%} of rows keep their class, expected {LEAST_AGREEMENT:.0%}"
    if rmse <= MOST_RELATIVE_RMSE:
        return None
    return (
        f"the differences have a root mean square of {rmse:.2%} of the answers' standard "
        f"deviation, expected {MOST_RELATIVE_RMSE:.0%} at most"
    )


def _broken(answer: Tensors, signature: Signature, rows: int | None = None) -> str | None:
    for spec in signature.outputs:
        got = answer[spec.name]
        if not spec.accepts(got.shape) or got.dtype != spec.dtype or (rows == 0 and len(got)):
            return f"'{spec.name}' is {got.dtype} of shape {got.shape}, not as the signature says"
        if not np.isfinite(got).all():
            return f"'{spec.name}' has NaN or infinity"
    return None
