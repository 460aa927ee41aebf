"""A latency benchmark, from its spec to its last word."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from models.benchmarking import benchmark
from models.files import write_atomically
from models.latency_plot import draw
from models.lazy import lazy
from models.signature import Signature
from models.tuning import Tuner
from workers.messages import BenchmarkSpec, Message
from workers.trainer.reporter import ChannelReporter

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")


def run_benchmark(spec: BenchmarkSpec, report: ChannelReporter, default_threads: int) -> Message:
    """→ the last word. Raises `ExportFailed` where a backend cannot be loaded.

    `default_threads` is what torch takes by itself, before this process was told how many to use.
    """
    torch.set_num_threads(spec.threads or default_threads)
    measured = benchmark(
        Path(spec.version_dir),
        Signature.from_json(dict(spec.signature)),
        backends=spec.backends,
        batch_sizes=spec.batch_sizes,
        threads=spec.threads,
        min_time_s=spec.min_time_s,
        tuner=_tuner(spec),
    )
    plot = Path(spec.workdir, "plot.png")
    write_atomically(plot, draw(measured["results"], measured["environment"]))
    report.send({"type": "benchmark", **measured, "plot": str(plot)})
    return {"type": "done", "results": {}}


def _tuner(spec: BenchmarkSpec) -> Tuner | None:
    """As the serving processes of this host have it."""
    if spec.tuning_dir is None:
        return None
    return Tuner(Path(spec.tuning_dir), budget_s=spec.tune_budget_s, compiles=spec.compiles)
