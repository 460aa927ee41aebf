"""Which of the rows of a batch each of several processes takes."""

from __future__ import annotations

from typing import NamedTuple

FEWEST = 2
"""Rows that a rank is given: batch norm can say nothing of one."""


class Share(NamedTuple):
    """One rank's part of some rows."""

    rows: slice
    weight: float
    """Of the mean over `rows` in the mean over all; the weights of all ranks add up to one."""


def share(rows: int, rank: int, ranks: int) -> Share:
    """An even, contiguous part, weighted by its rows.

    Where there are not enough to go round every rank takes all of them: the same answer many times
    over, so that no rank is idle and what trains in one process trains in many.
    """
    if rows < FEWEST * ranks:
        return Share(slice(0, rows), 1 / ranks)
    start, end = rows * rank // ranks, rows * (rank + 1) // ranks
    return Share(slice(start, end), (end - start) / rows)
