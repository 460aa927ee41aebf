"""Many numbers a row drawn as two."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def principal(points: NDArray[Any], count: int = 2) -> tuple[Matrix, Matrix]:
    """Principal components (Pearson, 1901) of (n, size): the coordinates (n, count) along the
    directions of most variance, and each direction's share of all variance (count,).

    A direction points where its largest element is positive, which the decomposition leaves open.
    Directions that the points do not have are zeros.
    """
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    _, spread, directions = np.linalg.svd(centred, full_matrices=False)
    largest = np.abs(directions).argmax(axis=1)
    directions *= np.sign(directions[np.arange(len(directions)), largest])[:, None]
    kept = min(count, len(directions))
    coordinates, shares = np.zeros((len(points), count)), np.zeros(count)
    coordinates[:, :kept] = centred @ directions[:kept].T
    shares[:kept] = spread[:kept] ** 2 / max(float((spread**2).sum()), np.finfo(float).tiny)
    return coordinates, shares
