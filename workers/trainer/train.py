"""A training attempt, from its spec to its last word."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from models.errors import Interrupted, PipelineError
from models.pipelines.base import Pipeline
from models.publishing import publish
from models.run import RunContext
from workers.messages import Message, TrainSpec
from workers.trainer.reporter import ChannelReporter

if TYPE_CHECKING:
    from models.parallel.distributed import Ranks


def train(
    spec: TrainSpec,
    report: ChannelReporter,
    pipelines: Mapping[str, Pipeline],
    ranks: Ranks | None = None,
) -> Message:
    """→ the last word. Raises what the pipeline raises, and `PeerLost` where one of `ranks` is
    gone. Of them rank 0 alone publishes."""
    pipeline = pipelines.get(spec.pipeline)
    if pipeline is None:
        raise PipelineError(f"this worker has no pipeline {spec.pipeline!r}")
    workdir = Path(spec.workdir)
    context = RunContext(
        seed=spec.seed,
        device=spec.device,
        dataset=spec.dataset,
        workdir=workdir,
        data_dir=Path(spec.data_dir),
        report=report,
        resume=None if spec.resume is None else Path(spec.resume),
        ranks=ranks,
        dataset_file=None if spec.dataset_file is None else Path(spec.dataset_file),
        base=None if spec.base_dir is None else Path(spec.base_dir),
        max_steps=spec.max_steps,
    )
    if context.resume is None:
        report.resumed(exact=True, differences={})
    # From JSON, as they were written: strict params take a list for a tuple only there.
    params = pipeline.params.model_validate_json(orjson.dumps(spec.params))
    outcome = pipeline.run(context, params)
    report.send({"type": "trained"})
    if outcome.model is not None and context.leads:
        if reason := report.interrupted():
            raise Interrupted(reason)
        publication = publish(outcome.model, workdir / "version", report=report)
        report.send({"type": "published", "publication": publication.to_json()})
    return {"type": "done", "results": outcome.results, "lineage": outcome.lineage}
