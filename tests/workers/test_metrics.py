"""What a worker tells Prometheus: of runs under way, of jobs that have ended, of itself."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.container import Container
from services.db.tables import Job
from services.job_state import JobStatus, Outcome
from services.sweeper import SweepReport
from tests.api.conftest import free_port
from tests.workers.stations import station, submit
from tests.workers.waiting import wait_for
from tests.workers.worker_processes import Start, ended, in_training, ready
from workers.messages import Message, decode
from workers.metrics import Metrics
from workers.run_metrics import WINDOW_S, RunMetrics
from workers.signals import Signals
from workers.supervisor import JobSupervisor
from workers.trainer import device_memory
from workers.trainer.channel import Channel, Controls
from workers.trainer.device_memory import INTERVAL_S, DeviceMemory
from workers.trainer.reporter import ChannelReporter
from workers.worker import NotStarted, Worker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def progress(step: int, *, samples: int = 0, epoch: int = 0) -> Message:
    return {"type": "progress", "epoch": epoch, "step": step, "samples": samples}


def run_of(metrics: Metrics, clock: Clock, pipeline: str = "count") -> RunMetrics:
    return RunMetrics(pipeline, metrics._tallies, clock)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_a_run_s_pace_is_that_of_late_and_ends_in_silence() -> None:
    metrics, clock = Metrics(), Clock()
    run = run_of(metrics, clock)
    for step in range(1, 101):
        clock.now += 1.0
        run.see(progress(step, samples=32 * step))
    assert run.pace() == pytest.approx((1.0, 32.0))
    assert run.silence_s() == 0.0
    clock.now += WINDOW_S / 2
    assert 0.4 < run.pace()[0] < 0.7
    clock.now += WINDOW_S
    assert run.pace() == (0.0, 0.0)
    assert run.silence_s() == 1.5 * WINDOW_S


def test_a_run_of_slow_steps_has_a_pace_too() -> None:
    clock = Clock()
    run = run_of(Metrics(), clock)
    for step in (1, 2, 3):
        clock.now += 2 * WINDOW_S
        run.see(progress(step))
    assert run.pace()[0] == pytest.approx(1 / (2 * WINDOW_S))


def test_steps_and_epochs_are_those_of_the_attempt() -> None:
    metrics, clock = Metrics(), Clock()
    run = run_of(metrics, clock)
    run.begin(step=500, epoch=5)
    run.see(progress(500, epoch=5))
    run.see(progress(512, samples=100, epoch=6))
    run.see(progress(520, samples=150, epoch=6))
    labels = {"pipeline": "count"}
    assert value(metrics, "torchkiln_training_steps_total", **labels) == 20
    assert value(metrics, "torchkiln_training_samples_total", **labels) == 150
    assert value(metrics, "torchkiln_training_epochs_total", **labels) == 1


def test_runs_of_a_pipeline_are_told_together_and_only_while_they_last() -> None:
    metrics, clock = Metrics(), Clock()
    one, other = run_of(metrics, clock), run_of(metrics, clock)
    device = {"type": "device", "name": "cuda:0"}
    with metrics.runs.hold(one):
        with metrics.runs.hold(other):
            clock.now += 10
            one.see(progress(10))
            other.see(progress(30))
            one.see({**device, "allocated_bytes": 5, "reserved_bytes": 8})
            other.see({**device, "allocated_bytes": 1, "reserved_bytes": 2})
            clock.now += 10
            assert value(metrics, "torchkiln_jobs_running", pipeline="count") == 2
            pace = value(metrics, "torchkiln_training_steps_per_second", pipeline="count")
            assert pace == pytest.approx(2.0)
            silence = value(metrics, "torchkiln_training_silence_seconds", pipeline="count")
            assert silence == pytest.approx(10.0)
            for kind, size in (("allocated", 6), ("reserved", 10)):
                labels = {"device": "cuda:0", "kind": kind}
                assert value(metrics, "torchkiln_gpu_memory_bytes", **labels) == size
        assert value(metrics, "torchkiln_jobs_running", pipeline="count") == 1
    assert value(metrics, "torchkiln_jobs_running", pipeline="count") is None


def test_of_a_run_that_another_host_leads_only_memory_is_told() -> None:
    metrics = Metrics()
    run = metrics.run("count", leads=False)
    device = {"type": "device", "name": "cuda:0", "allocated_bytes": 5, "reserved_bytes": 8}
    with metrics.runs.hold(run):
        run.see(device)
        labels = {"device": "cuda:0", "kind": "reserved"}
        assert value(metrics, "torchkiln_gpu_memory_bytes", **labels) == 8
        assert value(metrics, "torchkiln_jobs_running", pipeline="count") == 1
        assert value(metrics, "torchkiln_training_silence_seconds", pipeline="count") is None


def test_memory_of_a_gpu_is_told_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def allocated(device: str) -> int:
        asked.append(device)
        return 5

    cuda = SimpleNamespace(memory_allocated=allocated, memory_reserved=lambda _: 8)
    monkeypatch.setattr(device_memory, "torch", SimpleNamespace(cuda=cuda))
    clock = Clock()
    memory = DeviceMemory("cuda:1", clock)
    told = {"type": "device", "name": "cuda:1", "allocated_bytes": 5, "reserved_bytes": 8}
    assert (memory.used(), memory.used()) == (told, None)
    clock.now += INTERVAL_S
    assert memory.used() == told
    assert DeviceMemory("cpu", clock).used() is None
    assert asked == ["cuda:1", "cuda:1"]


def test_what_a_sweep_has_ended_is_counted_as_lost() -> None:
    metrics = Metrics()
    metrics.swept(SweepReport(3, 0, ["count", "count"]))
    labels = {"pipeline": "count", "outcome": "lost"}
    assert value(metrics, "torchkiln_attempts_total", **labels) == 2
    assert value(metrics, "torchkiln_leases_lapsed_total") == 3


def test_a_lease_that_is_lost_is_counted(local_container: Container) -> None:
    with station(local_container) as here:
        job_id = submit(local_container, "count", epochs=100_000)

        def take_away() -> None:
            wait_for(lambda: local_container.jobs.checkpoints(job_id), "a checkpoint")
            with local_container.db.write() as session:
                session.get_one(Job, job_id).token += 1

        thread = Thread(target=take_away)
        thread.start()
        JobSupervisor(here).run(job_id)
        thread.join()
        lost = "torchkiln_leases_lost_total"
        assert value(here.metrics, lost, kind="job") == 1
        assert value(here.metrics, lost, kind="benchmark") == 0
        assert value(here.metrics, "torchkiln_jobs_running", pipeline="count") is None


@pytest.mark.parametrize(("how", "outcome"), [("bug", "error"), ("memory", "oom")])
def test_attempts_are_counted_by_how_they_ended(
    local_container: Container, how: str, outcome: str
) -> None:
    with station(local_container) as here:
        JobSupervisor(here).run(submit(local_container, "fail", how=how))
        labels = {"pipeline": "fail", "outcome": outcome}
        assert value(here.metrics, "torchkiln_attempts_total", **labels) == 1


Scraped = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(port: int) -> Scraped:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(found: Scraped, name: str, **labels: str) -> float | None:
    return found.get((f"torchkiln_{name}", frozenset(labels.items())))


def test_a_worker_answers_scrapes(container: Container, start: Start) -> None:
    port = free_port()
    worker = start(TORCHKILN_WORKER_METRICS_PORT=str(port), DEVICES_OF_THE_TEST="cpu,cuda:0")
    ready(container, worker)
    job_id = submit(container, "count", epochs=3)
    assert ended(container, job_id).job.status == JobStatus.SUCCEEDED
    long = submit(container, "count", epochs=100_000)
    in_training(container, long)
    wait_for(lambda: of(scraped(port), "jobs_running", pipeline="count"), "the second job")
    found = scraped(port)
    assert of(found, "attempts_total", pipeline="count", outcome=Outcome.SUCCEEDED) == 1
    assert (of(found, "training_steps_total", pipeline="count") or 0) >= 30
    assert (of(found, "training_epochs_total", pipeline="count") or 0) >= 3
    assert (of(found, "checkpoint_save_seconds_count", pipeline="count") or 0) >= 3
    assert of(found, "checkpoint_save_seconds_count", pipeline="count") == of(
        found, "checkpoint_store_seconds_count", pipeline="count"
    )
    assert (of(found, "worker_slots", queue="cpu"), of(found, "worker_slots", queue="gpu")) == (
        1,
        1,
    )
    assert of(found, "worker_slots_busy", queue="cpu") == 1
    assert of(found, "worker_slots_busy", queue="gpu") == 0
    assert (of(found, "trainers_started_total") or 0) >= 2
    assert of(found, "trainers_failed_total") == 0
    assert (of(found, "worker_last_heartbeat_timestamp_seconds") or 0) > 1.7e9
    assert of(found, "leases_lost_total", kind="job") == 0
    container.job_control.kill(long)
    assert ended(container, long).job.status == JobStatus.CANCELLED
    wait_for(lambda: of(scraped(port), "jobs_running", pipeline="count") is None, "its end")
    found = scraped(port)
    assert of(found, "attempts_total", pipeline="count", outcome=Outcome.CANCELLED) == 1
    jobs = {labels for _, labels in found if any(job_id in text for _, text in labels)}
    assert jobs == set(), "ids would make a series each"


def test_a_worker_listens_nowhere_unless_it_is_told(container: Container, start: Start) -> None:
    worker = start()
    ready(container, worker)
    inodes = _inodes(worker.process.pid)
    table = Path(f"/proc/{worker.process.pid}/net/tcp").read_text().splitlines()
    rows = [line.split() for line in table[1:]]
    assert [row[1] for row in rows if row[3] == "0A" and row[9] in inodes] == []


def _inodes(pid: int) -> set[str]:
    """Of the sockets that a process has."""
    found: set[str] = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        target = str(link.readlink()) if link.is_symlink() else ""
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def test_a_port_that_is_taken_is_named(container: Container) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        settings = container.settings.model_copy(update={"worker_metrics_port": port})
        said = f"cannot listen on 127.0.0.1 port {port}: Address already in use; set TORCHKILN_WORK"
        with Signals() as signals, pytest.raises(NotStarted, match=said):
            Worker(Container(settings)).run(signals)


def test_rows_and_memory_are_told_with_the_progress_that_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Progress is thinned out; the rows of what is not told are told with the next."""
    cuda = SimpleNamespace(memory_allocated=lambda _: 5, memory_reserved=lambda _: 8)
    monkeypatch.setattr(device_memory, "torch", SimpleNamespace(cuda=cuda))
    there, here = os.pipe()
    report = ChannelReporter(Channel(here), Controls(there), tmp_path, "cuda:0")
    for step in (1, 2, 3):
        report.progress(epoch=0, epochs=1, step=step, steps=3, samples=32)
    report.flush()
    os.close(here)
    with os.fdopen(there, "rb") as lines:
        told = [message for line in lines if (message := decode(line))]
    progress_told = [message for message in told if message["type"] == "progress"]
    assert progress_told[-1]["samples"] == 96
    assert [m["name"] for m in told if m["type"] == "device"] == ["cuda:0"]
