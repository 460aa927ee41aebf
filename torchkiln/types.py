"""The shapes of the service's answers, as CONTRACT.md binds them.

Plain dictionaries at run time: what the service adds beyond these keys comes through untouched.
Times are RFC 3339 strings in UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NotRequired, Protocol, TypedDict, runtime_checkable

Json = dict[str, Any]


@runtime_checkable
class Array(Protocol):
    """numpy's arrays, torch's tensors, and their like."""

    def tolist(self) -> Any: ...


Rows = Sequence[Any] | Array
"""Nested lists or an array, the batch dimension first."""
JobStatus = Literal[
    "queued", "running", "pausing", "paused", "cancelling", "cancelled", "succeeded", "failed"
]
BackendName = Literal[
    "auto",
    "eager",
    "torchscript",
    "onnxruntime",
    "torchexport",
    "onnxruntime-int8",
    "onnxruntime-bf16",
]
TERMINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled"})
"""States of a job that end it (only `resume` leads out of the last two)."""


class Pipeline(TypedDict):
    name: str
    title: str
    section: str
    task: str
    produces_model: bool
    datasets: list[str]
    uploads: NotRequired[list[Json]]
    params_schema: NotRequired[Json]


DatasetKind = Literal["csv", "images", "arrays", "sequences"]


class Dataset(TypedDict):
    """A built-in dataset, or an upload: only that has `size_bytes`, `sha256`, `created_at` and,
    where one is asked for, `profile`."""

    id: str
    name: str
    title: str
    kind: DatasetKind
    source: str
    task: str
    bundled: bool
    uploaded: bool
    available: bool
    rows: int
    shape: list[int]
    features: list[str] | None
    target: str
    classes: list[str] | None
    size_bytes: int | None
    sha256: str | None
    created_at: str | None
    profile: NotRequired[Json | None]


class DatasetPreview(TypedDict):
    """The first rows: lists of numbers under `columns`, or objects with `pixels`, `steps` or
    `values` of the given `shape`."""

    id: str
    kind: DatasetKind
    columns: list[str] | None
    shape: list[int] | None
    rows: list[Any]


class Progress(TypedDict):
    epoch: int
    epochs: int
    step: int
    steps: int
    percent: float
    eta_s: float | None


class Attempt(TypedDict):
    number: int
    worker: str
    started_at: str
    ended_at: str | None
    outcome: str | None
    exact: bool | None


class Stop(TypedDict):
    max_runtime_s: float | None
    max_steps: int | None


class JobError(TypedDict):
    code: str
    message: str


class Job(TypedDict):
    id: str
    pipeline: str
    status: JobStatus
    params: Json
    seed: int
    device: str
    world_size: int
    hosts: int
    min_world_size: int
    priority: int
    dataset: str | None
    model: str | None
    model_version: int | None
    metadata: Json
    stop: Stop
    webhook: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    placement: Json | None
    progress: Progress
    metrics: dict[str, float]
    results: Json
    attempts: list[Attempt]
    status_transitions: list[Json]
    waiting_for: str | None
    error: JobError | None
    urls: dict[str, str]


class Event(TypedDict):
    """`id` is the event's number within its job: 1, 2, 3, …"""

    id: int
    created_at: str
    type: Literal["status", "metrics", "log", "checkpoint", "artifact"]
    level: str
    message: str
    data: Json


class Checkpoint(TypedDict):
    id: str
    epoch: int
    step: int
    metrics: dict[str, float]
    best: bool
    abandoned: bool
    size_bytes: int
    sha256: str
    created_at: str


class Delivery(TypedDict):
    """News of a job for its webhook. `due_at` is None once it has arrived or is given up."""

    id: str
    type: str
    url: str
    created_at: str
    tries: int
    due_at: str | None
    delivered_at: str | None
    error: str | None


class File(TypedDict):
    """An artifact of a job or a file of a version. `title` only artifacts have."""

    name: str
    title: NotRequired[str]
    media_type: str
    size_bytes: int
    sha256: str
    url: str


class TensorSpec(TypedDict):
    name: str
    datatype: str
    shape: list[int]


class Signature(TypedDict):
    inputs: list[TensorSpec]
    outputs: list[TensorSpec]


class Parity(TypedDict):
    rows: int
    batch_sizes: list[int]
    max_abs_error: float
    max_rel_error: float
    argmax_agreement: float | None
    tolerance: dict[str, float]


class Backend(TypedDict):
    status: Literal["certified", "rejected", "failed", "absent"]
    reason: NotRequired[str | None]
    parity: NotRequired[Parity | None]


class Model(TypedDict):
    name: str
    created_at: str
    versions: int
    latest: int | None
    aliases: dict[str, int]


class ModelVersion(TypedDict):
    name: str
    version: int
    aliases: list[str]
    job_id: str | None
    created_at: str
    signature: Signature
    classes: list[str] | None
    metrics: dict[str, float]
    backends: dict[str, Backend]
    preferred_backend: dict[str, str] | None
    lineage: Json


class Prediction(TypedDict):
    id: str
    model: str
    version: int
    backend: str
    outputs: list[Any]
    labels: NotRequired[list[str]]
    probabilities: NotRequired[list[list[float]]]


class InferTensor(TypedDict):
    """A tensor of the Open Inference Protocol; `data` is flat, in row-major order, or nested."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class Inference(TypedDict):
    id: NotRequired[str]
    model_name: str
    model_version: str
    parameters: NotRequired[Json]
    outputs: list[InferTensor]


class BenchmarkRow(TypedDict):
    """One backend at one batch size; times in milliseconds."""

    backend: str
    batch_size: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    rows_per_s: float
    ci95_ms: list[float]
    runs: int
    max_abs_error: float | None


class Benchmark(TypedDict):
    id: str
    model: str
    version: int
    status: str
    results: list[BenchmarkRow] | None
    environment: Json | None
    winners: dict[str, str | None] | None
    error: JobError | None
