"""The model card: what a version is, in a page of Markdown.

Sections follow Mitchell et al., "Model Cards for Model Reporting" (2019), as far as the service
knows them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from models.signature import Signature


def model_card(
    task: str,
    classes: Sequence[str] | None,
    metrics: Mapping[str, float],
    signature: Signature,
    backends: Mapping[str, Mapping[str, Any]],
    *,
    heldout: int,
    certificates: str = "",
) -> str:
    """Markdown with the task, the metrics, the signature and the certificates.

    `backends` is the contract's object; `heldout` the number of rows certificates could draw on.
    `certificates` says what was compared, where that is not the model as trained.
    """
    lines = ["# Model card", "", f"- Task: {task}"]
    if classes:
        lines.append(f"- Classes: {', '.join(_cell(name) for name in classes)}")
    lines += ["", "## Metrics", ""]
    lines += _table(("metric", "value"), [(name, f"{v:.6g}") for name, v in metrics.items()])
    lines += ["", "## Signature", ""]
    lines += _table(("", "name", "datatype", "shape"), _signature_rows(signature))
    lines += [
        "",
        "Inputs are raw: standardisation or normalisation is part of the graph in every backend.",
        "The first dimension is the batch, from 0 rows up.",
        "",
        "## Certificates",
        "",
        certificates
        or f"Each backend against the model as trained, on up to {heldout} rows that training "
        "never saw.",
        "",
    ]
    head = ("backend", "status", "rows", "max abs error", "max rel error", "same class", "allowed")
    entries = [*_entries(backends)]
    lines += _table(head, [_certificate_row(name, entry) for name, entry in entries])
    reasons = [f"- {name}: {entry['reason']}" for name, entry in entries if entry["reason"]]
    return "\n".join([*lines, "", *reasons]).rstrip() + "\n"


def _entries(
    backends: Mapping[str, Mapping[str, Any]],
) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """A line for each certificate; that of a scripted file is inside the one of `torchscript`."""
    for name, entry in backends.items():
        yield name, entry
        if "scripted" in entry:
            yield f"{name}, scripted", entry["scripted"]


def _signature_rows(signature: Signature) -> list[tuple[str, ...]]:
    return [
        (side, spec.name, spec.datatype, " x ".join("n" if d < 0 else str(d) for d in spec.shape))
        for side, specs in (("input", signature.inputs), ("output", signature.outputs))
        for spec in specs
    ]


def _certificate_row(name: str, entry: Mapping[str, Any]) -> tuple[str, ...]:
    parity: Mapping[str, Any] | None = entry["parity"]
    if parity is None:
        return (name, entry["status"], "", "", "", "", "")
    same = parity["argmax_agreement"]
    return (
        name,
        entry["status"],
        str(parity["rows"]),
        f"{parity['max_abs_error']:.2g}",
        f"{parity['max_rel_error']:.2g}",
        "" if same is None else f"{same:.2%}",
        _allowed(parity["tolerance"]),
    )


def _allowed(tolerance: Mapping[str, float]) -> str:
    if "abs" in tolerance:
        return f"{tolerance['abs']:.2g} + {tolerance['rel']:.2g}·size"
    return ", ".join(f"{name.replace('_', ' ')} {bound:g}" for name, bound in tolerance.items())


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---"] * len(head)
    return ["| " + " | ".join(_cell(text) for text in line) + " |" for line in (head, rule, *rows)]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
