"""More replicas and workers than one, by `--scale` alone."""

from __future__ import annotations

import httpx
import pytest

from tests.stack import jobs
from tests.stack.compose import Compose, address, healthy, until
from tests.stack.conftest import ROWS, Tell
from tests.stack.load import load
from torchkiln import Client

pytestmark = pytest.mark.compose


def served(replica: str) -> int:
    """How many predictions a replica counts."""
    url = f"http://{address(replica)}:8000/metrics"
    text = httpx.get(url, timeout=30, trust_env=False).text
    lines = (line for line in text.splitlines() if line.startswith("torchkiln_predictions_total"))
    return sum(int(float(line.rpartition(" ")[2])) for line in lines)


def test_jobs_and_predictions_spread(
    scaled: Compose, client: Client, model: str, tell: Tell
) -> None:
    scaled.up(api=3, worker_cpu=2)
    replicas = scaled.containers("api")
    assert len(replicas) == 3
    for replica in replicas:
        until(lambda each=replica: healthy(each), "every replica is healthy")
    before = [served(replica) for replica in replicas]
    submitted = [jobs.submit(client, "spread", {"epochs": 10}) for _ in range(4)]
    with load(scaled.url, model, ROWS) as under:
        under.more(300)
    placed = [jobs.ended(client, job)["attempts"][-1]["worker"] for job in submitted]
    assert len({worker.split("-")[0] for worker in placed}) == 2
    counts = [served(each) - start for each, start in zip(replicas, before, strict=True)]
    assert min(counts) > 0
    tell(f"three replicas served {counts} predictions; four jobs ran on two workers")
