"""Which calls go into a batch. Seen here, because rows that do not go together fail together, and
are then run alone, so that nobody outside hears of it."""

from __future__ import annotations

from collections import deque

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.serving.batching import MAX_ASIDE, Call, Work, cut
from services.serving.stats import Timing

MAX_ROWS = 4


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, MAX_ROWS), st.sampled_from([(2,), (3,), (2, 2)])),
        min_size=1,
        max_size=20,
    )
)
def test_a_batch_is_the_first_call_and_those_like_it_in_their_order(
    calls: list[tuple[int, tuple[int, ...]]],
) -> None:
    queue: deque[Work] = deque(
        Call({"x": np.zeros((rows, *shape))}, rows, Timing(), lambda _: None)
        for rows, shape in calls
    )
    before = list(queue)
    while before:
        batch = cut(queue, MAX_ROWS)
        assert batch[0] is before[0]
        assert len({call.inputs["x"].shape[1:] for call in batch}) == 1
        assert sum(call.rows for call in batch) <= MAX_ROWS
        taken = {id(call) for call in batch}
        assert batch == [call for call in before if id(call) in taken]
        before = [call for call in before if id(call) not in taken]
        assert list(queue) == before


def test_a_batch_looks_past_a_bounded_number_of_others() -> None:
    others = [2] + [3] * (MAX_ASIDE + 5) + [2]
    queue: deque[Work] = deque(
        Call({"x": np.zeros((0, width))}, 0, Timing(), lambda _: None) for width in others
    )
    assert len(cut(queue, MAX_ROWS)) == 1
    assert [call.inputs["x"].shape[1] for call in queue] == others[1:]
