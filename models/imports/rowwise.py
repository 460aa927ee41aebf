"""The certificate of a model that came without another one to compare it with.

What a serving process relies on is that rows do not know of each other: requests share batches. So
the answers to a batch have to be those to its rows, each asked by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.backends.base import Runner
from models.errors import RefusedModel
from models.imports.reasons import reason
from models.parity import BATCH_SIZES, Certificate, Tolerance, float32_tolerance
from models.rows import Tensors, row_count, synthetic, take
from models.signature import LENGTHS, Signature, TensorSpec

ROWS = 32
HALF = Tolerance(1e-3, 1e-2, "float16 sums in another order: a few units in the last place")
"""float16 has eleven bits: 2⁻¹¹ is 5e-4 of a number."""


def made_up(signature: Signature, *, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Rows that differ also in their integers, where `synthetic` has the same id everywhere."""
    rows = synthetic(signature, ROWS, seed=seed)
    rng = np.random.default_rng(seed)
    for spec in signature.inputs:
        is_length = signature.takes_sequences and spec.name == LENGTHS
        if spec.dtype.kind in "iub" and spec.dtype != np.uint8 and not is_length:
            # Ids of 0 and 1 are in any vocabulary.
            rows[spec.name] = rng.integers(0, 2, rows[spec.name].shape).astype(spec.dtype)
    return rows


def certify_rows(runner: Runner, rows: Tensors, signature: Signature) -> Certificate:
    """Compare batches of 1, 2, 7 and 32 of `rows`, and of none, with their rows one by one.

    Raises `RefusedModel` where an answer is not what the signature says, is not finite, or
    depends on its batch.
    """
    count = row_count(rows)
    each = [_ask(runner, rows, signature, start, 1) for start in range(count)]
    alone = {
        spec.name: np.concatenate([answer[spec.name] for answer in each])
        for spec in signature.outputs
    }
    tolerance = _tolerance(alone, signature)
    worst = _Worst(tolerance)
    _ask(runner, rows, signature, 0, 0)
    for size in BATCH_SIZES:
        for start in range(0, count, size):
            got = _ask(runner, rows, signature, start, size)
            expected = take(alone, start, size)
            for spec in signature.outputs:
                worst.add(spec, size, expected[spec.name], got[spec.name])
    return Certificate(count, worst.absolute, worst.relative, None, tolerance, None)


def _ask(
    runner: Runner, rows: Tensors, signature: Signature, start: int, count: int
) -> dict[str, NDArray[Any]]:
    try:
        answer = runner.run(take(rows, start, count))
    except Exception as error:  # its operators raise what they like
        raise RefusedModel(
            f"the model does not run on made-up rows at batch size {count}: {reason(error)}"
        ) from error
    for spec in signature.outputs:
        _check(spec, answer[spec.name], count)
    return answer


def _check(spec: TensorSpec, got: NDArray[Any], count: int) -> None:
    where = f"output '{spec.name[:64]}': at batch size {count}"
    if len(got) != count or not spec.accepts(got.shape):
        want = [count, *spec.row_shape]
        raise RefusedModel(f"{where}: expected shape {want}, got {list(got.shape)}")
    if got.dtype != spec.dtype:
        raise RefusedModel(f"{where}: expected {spec.dtype}, got {got.dtype}")
    if got.dtype.kind == "f" and not np.isfinite(got).all():
        raise RefusedModel(f"{where}: expected finite numbers, got NaN or infinity")


def _tolerance(answers: Tensors, signature: Signature) -> Tolerance:
    """float32's, by the largest answer; wider where an output has fewer bits."""
    floats = [answers[spec.name] for spec in signature.outputs if spec.dtype.kind == "f"]
    largest = max((float(np.max(np.abs(one), initial=0.0)) for one in floats), default=0.0)
    half = any(one.dtype == np.float16 for one in floats)
    base = float32_tolerance(largest)
    chosen = Tolerance(HALF.abs * max(largest, 1.0), HALF.rel, HALF.why) if half else base
    why = (
        "made-up rows, and no other model to compare with: the answers to a batch are those to "
        f"each of its rows alone ({chosen.why}); whole numbers and text exactly"
    )
    return Tolerance(chosen.abs, chosen.rel, why)


class _Worst:
    """The largest differences so far. Raises `RefusedModel` at one that is too large."""

    def __init__(self, tolerance: Tolerance) -> None:
        self.absolute = 0.0
        self.relative = 0.0
        self._tolerance = tolerance

    def add(self, spec: TensorSpec, batch: int, want: NDArray[Any], got: NDArray[Any]) -> None:
        if spec.dtype.kind != "f":
            if not np.array_equal(want, got):
                raise _depends(spec, batch, "another answer")
            return
        expected = want.astype(np.float64)
        error = np.abs(got.astype(np.float64) - expected)
        size = np.abs(expected)
        share = np.divide(error, size, out=np.zeros_like(error), where=size > self._tolerance.abs)
        self.absolute = max(self.absolute, float(np.max(error, initial=0.0)))
        self.relative = max(self.relative, float(np.max(share, initial=0.0)))
        if (error > self._tolerance.allowed(expected)).any():
            raise _depends(spec, batch, f"one that is off by {float(error.max()):.3g}")


def _depends(spec: TensorSpec, batch: int, how: str) -> RefusedModel:
    return RefusedModel(
        f"output '{spec.name[:64]}': expected of a batch of {batch} rows the answers that each row "
        f"gets alone, got {how}; rows of one batch must not depend on each other"
    )
