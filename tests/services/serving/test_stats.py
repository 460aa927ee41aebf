"""What is counted of predictions: how many, how long, and in which buckets."""

from __future__ import annotations

from bisect import bisect_left
from random import Random

from services.serving.stats import BUCKETS_NS, STAGE_BUCKETS_NS, PredictionStats, Timing


def test_a_prediction_is_in_the_bucket_of_its_wait() -> None:
    stats = PredictionStats()
    waits = (0, 10_000, 10_001, 5_000_000_000)
    for wait in waits:
        timing = Timing()
        timing.queue_ns = wait
        stats.succeeded(timing, rows=1)
    assert stats.successes == len(waits)
    assert stats.queue_buckets == [2, 1, *[0] * 10, 1], "a bound belongs to the bucket below it"


def test_a_batch_s_waits_are_counted_as_they_would_be_one_by_one() -> None:
    random = Random(0)
    for size in (1, 2, 16, 64):
        for spread in (1, 40_000, 2_000_000, 10_000_000_000):
            began = 20_000_000_000
            asked = sorted(began - random.randrange(spread) for _ in range(size))
            stats = PredictionStats()
            stats.succeeded_together(asked, size, asked, began, input_ns=0, infer_ns=0)
            expected = [0] * (len(STAGE_BUCKETS_NS) + 1)
            for at in asked:
                expected[bisect_left(STAGE_BUCKETS_NS, began - at)] += 1
            assert stats.queue_buckets == expected
            assert stats.queue_ns == sum(began - at for at in asked)


def test_a_wait_as_long_as_a_bound_is_in_the_bucket_below() -> None:
    stats, began = PredictionStats(), 10**10
    asked = [began - bound for bound in reversed(STAGE_BUCKETS_NS)]
    stats.succeeded_together(asked, len(asked), asked, began, input_ns=0, infer_ns=0)
    assert stats.queue_buckets == [*[1] * len(STAGE_BUCKETS_NS), 0]


def test_batches_are_counted_by_rows_and_by_time() -> None:
    stats = PredictionStats()
    for rows, ns in ((1, 5_000), (1, 20_000), (64, 2_000_000)):
        stats.ran(rows, ns)
    assert stats.batches == {1: (2, 25_000), 64: (1, 2_000_000)}
    assert stats.compute_buckets == [1, 1, 0, 0, 0, 1, *[0] * 7]
    assert sum(stats.compute_buckets) == stats.executions == 3


def test_figures_add_up() -> None:
    one, other = PredictionStats(), PredictionStats()
    for stats in (one, other):
        stats.succeeded(Timing(), rows=2)
        stats.ran(2, BUCKETS_NS[0])
    total = PredictionStats()
    for stats in (one, other):
        total.add(stats)
    assert (total.successes, total.rows, total.executions) == (2, 4, 2)
    assert sum(total.queue_buckets) == sum(total.compute_buckets) == 2
