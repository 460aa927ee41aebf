"""What `kubectl kustomize` makes of deploy/kubernetes, where there is no kubectl.

Only the fields that our kustomizations use; any other is refused. `test_kubernetes.py` compares the
two where both are to be had.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]

CLUSTER_WIDE = {"Namespace"}
MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
}
"""Lists that a strategic merge patch merges element by element; it replaces any other."""
FIELDS = {
    "apiVersion",
    "kind",
    "namespace",
    "resources",
    "components",
    "configMapGenerator",
    "patches",
    "images",
}


def build(directory: Path) -> list[Object]:
    """The objects of a kustomization, in no order that matters."""
    objects = _accumulated(directory, [])
    renamed = {
        made["metadata"]["name"]: _hashed(made) for made in objects if made["kind"] == "ConfigMap"
    }
    for found in objects:
        if found["kind"] == "ConfigMap":
            found["metadata"]["name"] = renamed[found["metadata"]["name"]]
        for container in containers(found):
            for source in container.get("envFrom", ()):
                reference = source["configMapRef"]
                reference["name"] = renamed[reference["name"]]
    return objects


def containers(found: Object) -> list[Object]:
    """Of a Deployment or a Job, those that come before the others among them."""
    pod = found.get("spec", {}).get("template", {}).get("spec", {})
    return [*pod.get("initContainers", ()), *pod.get("containers", ())]


def _accumulated(directory: Path, below: list[Object]) -> list[Object]:
    """`below` is what a component is laid over."""
    said = yaml.safe_load((directory / "kustomization.yaml").read_text())
    if unknown := said.keys() - FIELDS:
        raise ValueError(f"{directory.name}: expected some of {sorted(FIELDS)}, got {unknown}")
    objects = [*below]
    for name in said.get("resources", ()):
        path = directory / name
        objects += _accumulated(path, []) if path.is_dir() else _loaded(path)
    for name in said.get("components", ()):
        objects = _accumulated(directory / name, objects)
    for generator in said.get("configMapGenerator", ()):
        _generate(generator, directory, objects)
    for patch in said.get("patches", ()):
        _patch(patch, directory, objects)
    for found in objects:
        _transform(found, said.get("namespace"), said.get("images", ()))
    return objects


def _loaded(path: Path) -> Iterator[Object]:
    return yaml.safe_load_all(path.read_text())


def _generate(generator: Object, directory: Path, objects: list[Object]) -> None:
    text = "\n".join((directory / name).read_text() for name in generator["envs"])
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    data = dict(line.split("=", 1) for line in lines)
    if generator.get("behavior") == "merge":
        [known] = [one for one in objects if one["kind"] == "ConfigMap"]
        known["data"].update(data)
        return
    metadata = {"name": generator["name"]}
    objects.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def _patch(patch: Object, directory: Path, objects: Sequence[Object]) -> None:
    [wanted] = _loaded(directory / patch["path"])
    target = patch.get("target") or {"kind": wanted["kind"], "name": wanted["metadata"]["name"]}
    for found in objects:
        name = target.get("name", found["metadata"]["name"])
        if (found["kind"], found["metadata"]["name"]) == (target["kind"], name):
            found["spec"] = _merged(found["spec"], deepcopy(wanted["spec"]))


def _merged(old: Any, new: Any, key: str | None = None) -> Any:
    """`old` with `new` over it, as a strategic merge patch."""
    if isinstance(old, dict) and isinstance(new, dict):
        both = {name: _merged(old.get(name), value, name) for name, value in new.items()}
        return {**old, **both}
    merge_key = MERGE_KEYS.get(key or "")
    if merge_key is None or old is None:
        return new
    known = {one[merge_key]: one for one in old}
    added = [one for one in new if one[merge_key] not in known]
    over = {one[merge_key]: one for one in new}
    return added + [_merged(one, over.get(name, {})) for name, one in known.items()]


def _transform(found: Object, namespace: str | None, images: Sequence[Object]) -> None:
    if namespace and found["kind"] not in CLUSTER_WIDE:
        found["metadata"]["namespace"] = namespace
    tags = {image["name"]: image["newTag"] for image in images}
    for container in containers(found):
        if container["image"] in tags:
            container["image"] += f":{tags[container['image']]}"


def _hashed(made: Object) -> str:
    """The name of a generated ConfigMap, as kustomize's api/hasher/hasher.go makes it."""
    name = made["metadata"]["name"]
    hashed = {"data": made["data"], "kind": "ConfigMap", "name": ""}
    text = json.dumps(hashed, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    return f"{name}-{digest.translate(str.maketrans('013ae', 'ghkmt'))}"
