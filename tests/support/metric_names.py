"""Which metrics queries of Prometheus read, and which a registry has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry

BOARD = Path(__file__).parents[2] / "deploy/observability/dashboards/torchkiln.json"
NAME = re.compile(r"\b(?:torchkiln|process)_[a-z0-9_]+")
SELECTOR = re.compile(r"\{[^}]*\}|\"[^\"]*\"")
PARTS = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
"""What is behind a family's name in its series, by its type."""


def queries() -> Iterator[str]:
    """Those of the dashboard."""
    for panel in json.loads(BOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]


def read_by(query: str) -> set[str]:
    """The service's series that a query reads; values of labels are none."""
    return set(NAME.findall(SELECTOR.sub(" ", query)))


def exposed(*registries: CollectorRegistry) -> set[str]:
    """Series that they have, or will once there is something to count."""
    return {
        family.name + part
        for registry in registries
        for family in registry.collect()
        for part in PARTS.get(family.type, ())
    }
