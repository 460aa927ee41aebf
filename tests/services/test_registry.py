from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from models.latency import environment
from services.benchmark_runs import Measured
from services.benchmarks import NewBenchmark
from services.container import Container
from services.errors import Conflict, Invalid, NotFound
from services.promotion import CHAMPION, becomes_champion, is_better
from tests.services import factories
from tests.services.conftest import RecordingQueue
from tests.services.test_attempts import let_lapse

MODEL = "binary-classification"
REJECTED = {"eager": {"status": "rejected", "reason": "off by 1"}}


def test_versions_are_numbered_and_the_first_certified_one_is_the_champion(
    container: Container,
) -> None:
    assert factories.published(container, backends=REJECTED) == 1
    with pytest.raises(NotFound, match="no version champion"):
        container.registry.version(MODEL)
    assert factories.published(container) == 2
    assert factories.published(container, metrics={"test_accuracy": 0.99}) == 3
    assert container.registry.version(MODEL).row.version == 2
    assert [view.row.version for view in container.registry.versions(MODEL).data] == [3, 2, 1]
    model = container.registry.model(MODEL)
    assert (model.versions, model.latest, model.aliases) == (3, 3, {CHAMPION: 2})


@pytest.mark.parametrize(
    ("promote", "accuracy", "champion", "promoted"),
    [
        ("never", 0.99, 0.9, False),
        ("always", 0.5, 0.9, True),
        ("if_better", 0.99, 0.9, True),
        ("if_better", 0.9, 0.9, False),
        ("if_better", 0.5, 0.9, False),
        ("never", 0.99, None, False),
        ("if_better", 0.5, None, True),
        ("always", 0.5, None, True),
    ],
)
def test_a_later_version_is_promoted_as_its_job_says(
    promote: str, accuracy: float, champion: float | None, *, promoted: bool
) -> None:
    def becomes(backends: Mapping[str, Mapping[str, Any]]) -> bool:
        return becomes_champion(
            promote,
            backends,
            {"test_accuracy": accuracy},
            champion_metrics=None if champion is None else {"test_accuracy": champion},
            first=False,
        )

    assert becomes(factories.CERTIFIED) is promoted
    assert not becomes(REJECTED)


def test_lower_is_better_where_the_metric_is_an_error() -> None:
    assert is_better({"test_mse": 0.1}, {"test_mse": 0.2})
    assert not is_better({"test_mse": 0.2}, {"test_mse": 0.1})
    assert not is_better({"test_mse": 0.1}, {"test_accuracy": 0.1}), "nothing to compare"


def test_a_champion_that_was_taken_away_stays_away(container: Container) -> None:
    factories.published(container)
    container.registry.delete_alias(MODEL, CHAMPION)
    assert factories.published(container) == 2
    assert container.registry.model(MODEL).aliases == {}
    assert factories.published(container, promote="if_better") == 3
    assert container.registry.model(MODEL).aliases == {CHAMPION: 3}


def test_an_alias_moves_and_a_version_it_points_at_cannot_be_deleted(
    container: Container,
) -> None:
    for _ in range(2):
        factories.published(container)
    view = container.registry.set_alias(MODEL, "canary", 2)
    assert view.aliases == ["canary"]
    assert container.registry.version(MODEL, "canary").row.version == 2
    with pytest.raises(Conflict, match="still canary") as caught:
        container.registry.delete_version(MODEL, "2")
    assert caught.value.code == "alias_in_use"
    container.registry.delete_alias(MODEL, "canary")
    key = container.registry.file(MODEL, "2", "signature.json")["key"]
    container.registry.delete_version(MODEL, "2")
    for gone in (
        lambda: container.registry.version(MODEL, "2"),
        lambda: container.storage.local_path(key),
        lambda: container.registry.delete_alias(MODEL, "canary"),
    ):
        with pytest.raises(NotFound):
            gone()
    assert factories.published(container) == 3, "numbers are never used twice"


def test_an_alias_needs_a_certified_version_and_a_name(container: Container) -> None:
    factories.published(container, backends=REJECTED)
    with pytest.raises(Conflict) as caught:
        container.registry.set_alias(MODEL, "canary", 1)
    assert caught.value.code == "not_certified"
    for alias in ("7", "a/b", "", "-x"):
        with pytest.raises(Invalid):
            container.registry.set_alias(MODEL, alias, 1)
    for name, version in (("nothing", 1), (MODEL, 9)):
        with pytest.raises(NotFound):
            container.registry.set_alias(name, "canary", version)


def test_models_and_versions_come_in_pages(container: Container) -> None:
    for name in ("a", "b", "c"):
        factories.published(container, model=name)
    first = container.registry.models(limit=2)
    rest = container.registry.models(limit=2, after=first.data[-1].name)
    assert [model.name for model in [*first.data, *rest.data]] == ["c", "b", "a"]
    assert (first.has_more, rest.has_more) == (True, False)
    for _ in range(2):
        factories.published(container, model="a")
    page = container.registry.versions("a", limit=2)
    assert [view.row.version for view in page.data] == [3, 2]
    assert [v.row.version for v in container.registry.versions("a", after="2").data] == [1]
    for bad in (
        lambda: container.registry.models(after="none"),
        lambda: container.registry.versions("a", after="x"),
    ):
        with pytest.raises(Invalid):
            bad()


def test_a_snapshot_is_taken_only_when_something_has_changed(container: Container) -> None:
    empty = container.registry.snapshot()
    assert empty is not None
    assert empty.models == {}
    assert container.registry.snapshot(empty.revision) is None
    factories.published(container)
    first = container.registry.snapshot(empty.revision)
    assert first is not None
    assert first.aliases == {MODEL: {CHAMPION: 1}}
    assert first.models[MODEL][1].row.signature == factories.SIGNATURE
    container.registry.set_alias(MODEL, "canary", 1)
    assert container.registry.snapshot(first.revision) is not None


def measured(container: Container, **means: float) -> Measured:
    plot = container.settings.data_dir / "plot.png"
    plot.write_bytes(b"png")
    rows: list[dict[str, Any]] = [
        {"backend": backend, "batch_size": 1, "mean_ms": mean} for backend, mean in means.items()
    ]
    return Measured(rows, environment(1), {"1": None}, container.host, plot)


def test_a_benchmark_runs_once_and_tells_which_backend_is_preferred(
    container: Container, queue: RecordingQueue
) -> None:
    factories.published(container)
    row = container.benchmarks.submit(NewBenchmark(MODEL, batch_sizes=[8, 1, 8]))
    assert queue.woken[-1] == row.id
    assert row.request["batch_sizes"] == [1, 8]
    assert row.request["backends"] == ["eager", "onnxruntime"]
    claim = container.benchmark_runs.claim(row.id, "worker-1")
    assert claim is not None
    assert container.benchmark_runs.claim(row.id, "worker-2") is None
    assert container.benchmark_runs.beat(claim)
    known = container.registry.snapshot()
    assert known is not None
    told = measured(container, eager=2.0, onnxruntime=1.0, torchscript=0.5)
    assert container.benchmark_runs.succeed(claim, told)
    assert not container.benchmark_runs.succeed(claim, told)
    done = container.benchmarks.get(row.id)
    assert (done.status, done.winners) == ("succeeded", {"1": None})
    assert done.plot_key is not None
    assert container.storage.local_path(done.plot_key).read_bytes() == b"png"
    changed = container.registry.snapshot(known.revision)
    assert changed is not None, "serving processes must hear of it"
    assert changed.models[MODEL][1].preferred_backend == {"1": "onnxruntime"}


def test_a_benchmark_of_one_backend_prefers_nothing(container: Container) -> None:
    factories.published(container)
    for told in (measured(container, eager=2.0, onnxruntime=1.0), measured(container, eager=0.1)):
        row = container.benchmarks.submit(NewBenchmark(MODEL))
        claim = container.benchmark_runs.claim(row.id, "worker-1")
        assert claim is not None
        assert container.benchmark_runs.succeed(claim, told)
    assert container.registry.version(MODEL).preferred_backend == {"1": "onnxruntime"}


def test_a_benchmark_whose_worker_is_gone_is_queued_again_and_fails_at_last(
    container: Container,
) -> None:
    factories.published(container)
    row = container.benchmarks.submit(NewBenchmark(MODEL))
    for _ in range(3):
        assert container.benchmark_runs.claim(row.id, "worker-1") is not None
        let_lapse(container, type(row))
        container.sweeper.sweep()
    done = container.benchmarks.get(row.id)
    assert (done.status, done.error_code) == ("failed", "lost")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"batch_sizes": []}, "batch_sizes"),
        ({"batch_sizes": [0]}, "batch_sizes"),
        ({"batch_sizes": [10_000]}, "batch_sizes"),
        ({"backends": ["tpu"]}, "backends"),
        ({"backends": []}, "backends"),
        ({"threads": 0}, "threads"),
        ({"min_time_s": 0.0}, "min_time_s"),
        ({"min_time_s": float("nan")}, "min_time_s"),
    ],
)
def test_a_bad_benchmark_is_refused(
    container: Container, fields: dict[str, Any], field: str
) -> None:
    factories.published(container)
    with pytest.raises(Invalid) as caught:
        container.benchmarks.submit(NewBenchmark(MODEL, **fields))
    assert caught.value.errors[0].field == field


def test_a_benchmark_is_of_certified_backends_of_a_version_that_exists(
    container: Container,
) -> None:
    factories.published(container)
    with pytest.raises(Conflict) as caught:
        container.benchmarks.submit(NewBenchmark(MODEL, backends=["torchscript"]))
    assert caught.value.code == "not_certified"
    for name, version in (("nothing", None), (MODEL, "9"), (MODEL, "none")):
        with pytest.raises(NotFound):
            container.benchmarks.submit(NewBenchmark(name, version))
    ids = [container.benchmarks.submit(NewBenchmark(MODEL)).id for _ in range(3)]
    first = container.benchmarks.list(limit=2)
    rest = container.benchmarks.list(limit=2, after=first.data[-1].id)
    assert [row.id for row in [*first.data, *rest.data]] == ids[::-1]
