"""Reading what deploy/kubernetes renders to, for tests of what its parts say of each other."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from services.settings import Settings
from tests.support.kustomize import Object, build, containers

ROOT = Path(__file__).parents[2]
DIRECTORY = ROOT / "deploy/kubernetes"
OVERLAYS = ("plain", "cpu", "gpu")
IS_AMONG = {"In": True, "NotIn": False}
UNITS = {"": 1, "m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


class Rendered:
    """The objects of an overlay."""

    def __init__(self, overlay: str) -> None:
        self.objects = build(DIRECTORY / "overlays" / overlay)

    def all(self, *kinds: str) -> list[Object]:
        return [found for found in self.objects if found["kind"] in kinds]

    def one(self, kind: str, name: str) -> Object:
        [found] = [one for one in self.all(kind) if one["metadata"]["name"] == name]
        return found

    def workloads(self) -> list[Object]:
        return self.all("Deployment", "Job")

    def selected(self, selector: Mapping[str, Any]) -> list[Object]:
        """The workloads whose pods a selector names."""
        return [one for one in self.workloads() if selects(selector, labels(one))]

    def environment(self, container: Object) -> dict[str, str]:
        """The variables of a container, except those from Secrets."""
        made: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            made |= self.one("ConfigMap", source["configMapRef"]["name"])["data"]
        for variable in container.get("env", ()):
            value = variable.get("value") or _by_reference(variable["valueFrom"], container)
            if value is not None:
                made[variable["name"]] = value
        return made

    def settings(self, container: Object) -> Settings:
        """What a process of the container would run with, Secrets aside."""
        with pytest.MonkeyPatch.context() as patch:
            for name in os.environ:
                if name.startswith("TORCHKILN_"):
                    patch.delenv(name)
            for name, value in self.environment(container).items():
                patch.setenv(name, value)
            patch.delenv("TORCHKILN_SECRETS_DIR")  # it is not here
            return Settings()


def _by_reference(source: Object, container: Object) -> str | None:
    if "resourceFieldRef" not in source:
        return None
    kind, _, resource = source["resourceFieldRef"]["resource"].partition(".")
    return str(container["resources"][kind][resource])


def labels(workload: Object) -> dict[str, str]:
    return workload["spec"]["template"]["metadata"]["labels"]


def pod(workload: Object) -> Object:
    return workload["spec"]["template"]["spec"]


def main(workload: Object) -> Object:
    """The container that does the work."""
    [found] = pod(workload)["containers"]
    return found


def all_containers(rendered: Rendered) -> Iterator[Object]:
    for workload in rendered.workloads():
        yield from containers(workload)


def selects(selector: Mapping[str, Any], shown: Mapping[str, str]) -> bool:
    """Whether a label selector fits these labels."""
    wanted = selector.get("matchLabels", {})
    return wanted.items() <= shown.items() and all(
        (shown.get(rule["key"]) in rule["values"]) == IS_AMONG[rule["operator"]]
        for rule in selector.get("matchExpressions", ())
    )


def quantity(text: str) -> float:
    """`500m`, `2`, `6Gi` as a number."""
    matched = re.fullmatch(r"([0-9.]+)(m|Ki|Mi|Gi|)", text)
    assert matched, text
    return float(matched[1]) * UNITS[matched[2]]
