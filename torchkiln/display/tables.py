"""The service's answers as tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from torchkiln.types import (
    Benchmark,
    Checkpoint,
    Dataset,
    File,
    Job,
    Model,
    ModelVersion,
    Pipeline,
)

STATUS_STYLES = {
    "succeeded": "green",
    "certified": "green",
    "running": "cyan",
    "failed": "red",
    "rejected": "red",
    "cancelled": "yellow",
    "paused": "yellow",
}
NOTHING = "-"


def jobs(rows: Sequence[Job]) -> Table:
    table = _table("job", "pipeline", "status", "progress", "model", "created")
    for job in rows:
        table.add_row(
            job["id"],
            job["pipeline"],
            status(job["status"]),
            f"{job['progress']['percent']:.0f} %",
            model_name(job),
            job["created_at"],
        )
    return table


def model_name(job: Job) -> str:
    """`digits-mlp@3`, or a dash for a job that has published nothing."""
    if job["model_version"] is None:
        return NOTHING
    return f"{job['model']}@{job['model_version']}"


def models(rows: Sequence[Model]) -> Table:
    table = _table("model", "versions", "latest", "aliases")
    for model in rows:
        aliases = ", ".join(f"{alias} → {to}" for alias, to in model["aliases"].items())
        table.add_row(
            model["name"],
            str(model["versions"]),
            str(model["latest"] or NOTHING),
            aliases or NOTHING,
        )
    return table


def datasets(rows: Sequence[Dataset]) -> Table:
    table = _table("dataset", "name", "kind", "task", "rows", "shape", "available")
    for dataset in rows:
        table.add_row(
            dataset["id"],
            escape(dataset["name"]),
            dataset["kind"],
            dataset["task"],
            f"{dataset['rows']:,}",
            escape(str(dataset["shape"])),
            "yes" if dataset["available"] else "after a download",
        )
    return table


def columns(profile: Mapping[str, Any]) -> Table:
    """The columns of an uploaded CSV, with their ranges."""
    table = _table("column", "type", "distinct", "min", "max", "mean", "std")
    for column in profile["columns"]:
        figures = [column.get(name) for name in ("distinct", "min", "max", "mean", "std")]
        shown = [NOTHING if value is None else f"{value:g}" for value in figures]
        table.add_row(escape(column["name"]), column["type"], *shown)
    return table


def pipelines(rows: Sequence[Pipeline]) -> Table:
    table = _table("pipeline", "section", "task", "datasets", "what it is")
    for pipeline in rows:
        table.add_row(
            pipeline["name"],
            pipeline["section"],
            pipeline["task"],
            ", ".join(pipeline["datasets"]) or NOTHING,
            escape(pipeline["title"]),
        )
    return table


def params(schema: Mapping[str, Any]) -> Table:
    """The params of a pipeline, nested ones by their dotted path."""
    table = _table("param", "default", "what it is")
    for name, default, description in _flat(schema, schema.get("$defs", {}), ""):
        table.add_row(name, escape(default), escape(description))
    return table


def certificates(version: ModelVersion) -> Table:
    """One row a backend: how far its answers are from those of the trained model."""
    table = _table(
        "backend", "status", "rows", "batch sizes", "max abs error", "max rel error", "same class"
    )
    for name, backend in version["backends"].items():
        parity = backend.get("parity")
        if parity is None:
            table.add_row(name, status(backend["status"]), escape(backend.get("reason") or ""))
            continue
        agreement = parity["argmax_agreement"]
        table.add_row(
            name,
            status(backend["status"]),
            str(parity["rows"]),
            ", ".join(map(str, parity["batch_sizes"])),
            f"{parity['max_abs_error']:.2e}",
            f"{parity['max_rel_error']:.2e}",
            NOTHING if agreement is None else f"{agreement:.1%}",
        )
    return table


def checkpoints(rows: Sequence[Checkpoint]) -> Table:
    table = _table("checkpoint", "epoch", "step", "bytes", "created", "")
    for row in rows:
        marks = [word for word in ("best", "abandoned") if row[word]]
        table.add_row(
            row["id"],
            str(row["epoch"]),
            f"{row['step']:,}",
            f"{row['size_bytes']:,}",
            row["created_at"],
            ", ".join(marks),
        )
    return table


def files(rows: Sequence[File]) -> Table:
    table = _table("file", "type", "bytes", "sha256")
    for file in rows:
        table.add_row(
            file["name"], file["media_type"], f"{file['size_bytes']:,}", file["sha256"][:16]
        )
    return table


def benchmark(result: Benchmark) -> Table:
    """Times in milliseconds; the winner stands where its interval is clear of the others'."""
    table = _table(
        "batch", "backend", "mean ms", "95 % interval", "p50 ms", "p99 ms", "rows/s", "winner"
    )
    winners = result["winners"] or {}
    rows = sorted(result["results"] or [], key=lambda row: (row["batch_size"], row["mean_ms"]))
    for place, row in enumerate(rows):
        size = row["batch_size"]
        first = place == 0 or rows[place - 1]["batch_size"] != size
        if first and place:
            table.add_section()
        winner = winners.get(str(size))
        low, high = row["ci95_ms"]
        verdict = "no winner" if winner is None and first else ""
        table.add_row(
            str(size) if first else "",
            row["backend"],
            f"{row['mean_ms']:.4f}",
            f"{low:.4f} … {high:.4f}",
            f"{row['p50_ms']:.4f}",
            f"{row['p99_ms']:.4f}",
            f"{row['rows_per_s']:,.0f}",
            "[green]★ winner[/]" if winner == row["backend"] else verdict,
        )
    return table


def status(word: str) -> str:
    style = STATUS_STYLES.get(word)
    return f"[{style}]{word}[/]" if style else word


def _table(*columns: str) -> Table:
    table = Table(header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _flat(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str
) -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []
    properties: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
    for name, field in properties.items():
        reference = str(field.get("$ref", "")).rpartition("/")[2]
        if reference in definitions:
            rows += _flat(definitions[reference], definitions, f"{prefix}{name}.")
        else:
            default = json.dumps(field["default"]) if "default" in field else "required"
            rows.append((prefix + name, default, str(field.get("description", ""))))
    return rows
