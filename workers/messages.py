"""What a supervisor and its trainer say to each other: lines of JSON over pipes.

To the trainer, on its stdin: one spec, then controls. From it, on a descriptor of its own:
`ready`, then reports, then exactly one last word. Torch-free: both sides import this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import orjson

Message = Mapping[str, Any]
"""`{"type": …}` and what belongs to it:

| type | with |
|---|---|
| `ready` | `devices`, `versions` |
| `rendezvous` | `port`: where the trainers of the job's other hosts meet this one |
| `leaving` | nothing: this host is to be left, though rank 0 is on another one |
| `resumed` | `exact`, `differences`: what is other than when the checkpoint was made, by name |
| `progress` | `epoch`, `epochs`, `step`, `steps`, `samples`: training rows since the run began |
| `device` | `name`, `allocated_bytes`, `reserved_bytes`: what the run takes of a GPU's memory |
| `metrics` | `values`, `epoch`, `step` |
| `log` | `level`, `message`, `data` |
| `checkpoint` | `path`, `epoch`, `step`, `metrics`, `best`, `size_bytes`, `sha256`, `took_s` |
| `artifact` | `path`, `name`, `title`, `media_type`, `size_bytes`, `sha256` |
| `trained` | nothing: the processor-hungry part is over |
| `published` | `publication`, the JSON of `models.publishing.Publication` |
| `benchmark` | `results`, `environment`, `winners`, `plot` (a path) |
| `span_began` | `id`, `parent` (another's or None), `name`, `at_ns` since 1970, `attributes` |
| `span_ended` | `id`, `at_ns`, `error`: a word, or None |
| `trace` | `text`: a traceback, for the operator's log only |
| `done`, last | `results`, `lineage` |
| `interrupted`, last | `reason` |
| `error`, last | `code`, `message` |
"""

ENCODING = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE

LAST_WORDS = frozenset({"done", "interrupted", "error"})

Control = Literal["cancel", "pause", "release", "timeout", "continue"]
"""Why a run should save a checkpoint and stop: its owner no longer wants it, or not now, its worker
has to leave and another one will go on, or its time is over. `continue`: it should go on."""


@dataclass(frozen=True)
class TrainSpec:
    """One attempt at a job."""

    job_id: str
    attempt: int
    request_id: str | None
    pipeline: str
    params: Mapping[str, Any]
    seed: int
    device: str
    dataset: str | None
    workdir: str
    data_dir: str
    resume: str | None
    ranks: Sequence[str] = ()
    """The device of each process here, of those that train together; empty: one, on `device`."""
    rendezvous: str | None = None
    """Of a job over several hosts: the address to be met at or, in another seat than 0, the
    `address:port` where."""
    seat: int = 0
    """Which of the hosts this is; rank 0 is on the first."""
    dataset_file: str | None = None
    base_dir: str | None = None
    max_steps: int | None = None
    """The optimizer step at which training ends as if its epochs were over."""
    traceparent: str | None = None
    """The attempt's span, if the parts of the run shall be told."""

    @property
    def subject(self) -> str:
        return self.job_id

    @property
    def bound(self) -> dict[str, str | int]:
        """What is on every line of the run's log."""
        bound: dict[str, str | int] = {"job_id": self.job_id, "attempt": self.attempt}
        if self.request_id is not None:
            bound["request_id"] = self.request_id
        if self.traceparent is not None:
            _, bound["trace_id"], bound["span_id"], _ = self.traceparent.split("-")
        return bound


@dataclass(frozen=True)
class BenchmarkSpec:
    """One run of a latency benchmark."""

    benchmark_id: str
    version_dir: str
    signature: Mapping[str, Any]
    backends: Sequence[str]
    batch_sizes: Sequence[int]
    threads: int | None
    min_time_s: float
    workdir: str
    tuning_dir: str | None = None
    """Where this host keeps what it found to be the fastest way to load a model."""
    tune_budget_s: float = 0.0
    compiles: bool = False

    @property
    def subject(self) -> str:
        return self.benchmark_id

    @property
    def bound(self) -> dict[str, str | int]:
        return {"benchmark_id": self.benchmark_id}


Spec = TrainSpec | BenchmarkSpec

KINDS: dict[str, type[TrainSpec] | type[BenchmarkSpec]] = {
    "train": TrainSpec,
    "benchmark": BenchmarkSpec,
}


def encode_spec(spec: Spec) -> bytes:
    kind = next(name for name, spec_type in KINDS.items() if isinstance(spec, spec_type))
    return encode({"kind": kind, **asdict(spec)})


def decode_spec(line: bytes) -> Spec:
    fields = orjson.loads(line)
    return KINDS[fields.pop("kind")](**fields)


def encode(message: Message) -> bytes:
    """One line. NaN and infinities become null, which JSON has no other word for.

    Raises TypeError for what has no JSON form.
    """
    return orjson.dumps(message, option=ENCODING)


def decode(line: bytes) -> Message | None:
    """None for a line that is no message."""
    try:
        message = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return message if isinstance(message, dict) and "type" in message else None
