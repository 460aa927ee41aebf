"""How the rows of a batch are divided among ranks."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from models.parallel.sharding import FEWEST, share


@given(rows=st.integers(1, 500), ranks=st.integers(1, 64))
def test_each_row_counts_the_same_whoever_takes_it(rows: int, ranks: int) -> None:
    """A rank's mean, weighted: so much of it is each of its rows'."""
    counted: Counter[int] = Counter()
    for rank in range(ranks):
        own = share(rows, rank, ranks)
        taken = range(rows)[own.rows]
        for row in taken:
            counted[row] += Fraction(own.weight).limit_denominator(10_000) / len(taken)
    assert counted == {row: Fraction(1, rows) for row in range(rows)}


@given(rows=st.integers(1, 500), ranks=st.integers(2, 64))
def test_a_batch_is_divided_evenly_and_no_rank_is_left_with_one_row(rows: int, ranks: int) -> None:
    taken = [range(rows)[share(rows, rank, ranks).rows] for rank in range(ranks)]
    if rows < FEWEST * ranks:
        assert set(taken) == {range(rows)}
        return
    assert [row for part in taken for row in part] == [*range(rows)]
    assert {len(part) for part in taken} <= {rows // ranks, rows // ranks + 1}
