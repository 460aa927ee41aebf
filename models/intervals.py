"""A confidence interval for a mean latency, from the means of blocks of calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

CONFIDENCE = 0.95
METHOD = (
    "95 % t-interval over the means of blocks that alternate, in random order, with blocks of the "
    "other backends; widened by the lag-1 autocorrelation of the block means where it is positive"
)


def mean_interval(blocks: Sequence[float]) -> tuple[float, float]:
    """95 % confidence interval of the mean of `blocks`, in their unit, from zero up.

    Single calls are no independent samples: a neighbour on the machine or a change of clock speed
    slows many in a row. Block means ("batch means": Law, "Simulation Modeling and Analysis", 2015,
    §9.5.3) leave little of that, and what drift is left between blocks widens the interval by
    sqrt((1 + r)/(1 - r)), r the lag-1 autocorrelation. The t quantile, and no bootstrap, because a
    bootstrap over some twenty values covers less than it says.

    One block alone says nothing of the spread: the interval is then [0, ∞).
    """
    values = np.asarray(blocks, np.float64)
    mean = float(values.mean())
    if len(values) < 2:
        return 0.0, math.inf
    half = t_quantile(len(values) - 1) * float(values.std(ddof=1)) / math.sqrt(len(values))
    correlation = min(max(_lag_one(values), 0.0), 0.9)
    half *= math.sqrt((1 + correlation) / (1 - correlation))
    return max(0.0, mean - half), mean + half


def t_quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """The two-sided quantile of Student's t, by its expansion in 1/freedom.

    Abramowitz & Stegun, "Handbook of Mathematical Functions", 26.7.5; off by less than 0.1 % from
    4 degrees of freedom up (below, exact values would need scipy: 1 to 3 are tabulated for 95 %).
    """
    if freedom < 4:
        return {1: 12.7062, 2: 4.30265, 3: 3.18245}[freedom]
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))


def _lag_one(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    centred = values - values.mean()
    variance = float(centred @ centred)
    return float(centred[1:] @ centred[:-1]) / variance if variance > 0 else 0.0
