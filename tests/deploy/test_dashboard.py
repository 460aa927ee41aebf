"""Every metric that the dashboard reads is one that an API process or a worker has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from api.app import create_app
from services.container import Container
from services.db import migrate
from services.settings import Settings
from tests.services.conftest import RecordingQueue
from tests.support.metric_names import exposed, queries, read_by
from workers.worker import Worker


@pytest.fixture
def registries(tmp_path: Path) -> Iterator[tuple[CollectorRegistry, CollectorRegistry]]:
    container = Container(Settings(data_dir=tmp_path), queue=RecordingQueue())
    migrate.upgrade(container.db)
    yield create_app(container)[1].metrics, Worker(container)._metrics.registry
    container.close()


def test_every_metric_of_the_dashboard_is_there(
    registries: tuple[CollectorRegistry, CollectorRegistry],
) -> None:
    names = {name for query in queries() for name in read_by(query)}
    assert len(names) > 25
    assert names - exposed(*registries) == set()


def test_no_name_means_two_things(
    registries: tuple[CollectorRegistry, CollectorRegistry],
) -> None:
    """Nothing but the processes' own figures is told by both."""
    api, worker = (exposed(one) for one in registries)
    assert {name for name in api & worker if not name.startswith("process_")} == set()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ('sum(rate(torchkiln_a_total{x="torchkiln_b"}[5m]))', {"torchkiln_a_total"}),
        ("torchkiln_a / on (model) torchkiln_c", {"torchkiln_a", "torchkiln_c"}),
        ('sum(up{job="api"})', set[str]()),
    ],
)
def test_names_are_found_in_queries(query: str, names: set[str]) -> None:
    assert read_by(query) == names
