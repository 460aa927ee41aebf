"""The table of a model's modules for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

HEADER = ("Layer", "Type", "Output shape", "Parameters")
NOTHING = "-"


def text_of(title: str, modules: Iterable[Mapping[str, Any]], totals: Mapping[str, Any]) -> str:
    """Parts are indented below what they are part of, under the last word of their name."""
    rows = [HEADER, *(_cells(module) for module in modules)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = [_line(row, widths) for row in rows]
    rule = "-" * max(map(len, lines))
    return "\n".join([title, "", lines[0], rule, *lines[1:], rule, *_totals(totals)])


def _cells(module: Mapping[str, Any]) -> tuple[str, ...]:
    name = str(module["name"])
    shape = module["output_shape"]
    frozen = " (frozen)" if module["trainable"] is False else ""
    return (
        "  " * name.count(".") + name.rpartition(".")[2],
        module["type"],
        NOTHING if shape is None else str(shape),
        f"{module['parameters']:,}{frozen}" if module["parameters"] else NOTHING,
    )


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    *words, parameters = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join([*words, parameters]).rstrip()


def _totals(totals: Mapping[str, Any]) -> list[str]:
    every, trained = totals["parameters"], totals["trainable_parameters"]
    return [
        f"Parameters: {every:,}, of which trainable: {trained:,}",
        f"Size: {totals['size_bytes']:,} bytes",
    ]
