"""What deploy/kubernetes renders to is what Kubernetes takes, and its parts fit each other."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from copy import deepcopy

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.support.custom_resources import SCHEMAS
from tests.support.kubernetes import (
    DIRECTORY,
    OVERLAYS,
    ROOT,
    Rendered,
    all_containers,
    labels,
    main,
)
from tests.support.kustomize import Object

OLDEST = "1.30"
"""The first release whose pods may sleep before they stop (`lifecycle.preStop.sleep`) unasked."""


def check(found: Object, version: str) -> None:
    if schema := SCHEMAS.get(found["kind"]):
        jsonschema.validate(found, schema)
    else:
        kubernetes_validate.validate(found, version, strict=True)


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
def test_every_object_is_one_that_kubernetes_takes(rendered: Rendered, version: str) -> None:
    for found in rendered.objects:
        check(found, version)


@pytest.mark.parametrize(
    "kind", ["Deployment", "NetworkPolicy", "ScaledObject", "ServiceMonitor", "PodMonitor"]
)
def test_a_field_that_does_not_exist_is_found(kind: str) -> None:
    broken = deepcopy(Rendered("gpu").all(kind)[0])
    broken["spec"]["replica"] = 2
    with pytest.raises(jsonschema.ValidationError, match="replica"):
        check(broken, OLDEST)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubectl_renders_the_same(overlay: str) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed here")
    command = ["kubectl", "kustomize", str(DIRECTORY / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    theirs = {_key(one): one for one in yaml.safe_load_all(done.stdout)}
    assert {_key(one): one for one in Rendered(overlay).objects} == theirs


def _key(found: Object) -> tuple[str, ...]:
    return (found["kind"], found["metadata"].get("namespace", ""), found["metadata"]["name"])


def test_no_two_objects_have_one_name(rendered: Rendered) -> None:
    assert len({_key(one) for one in rendered.objects}) == len(rendered.objects)


def test_selectors_name_the_pods_of_one_workload(rendered: Rendered) -> None:
    for found in rendered.all("Deployment", "PodDisruptionBudget"):
        [workload] = rendered.selected(found["spec"]["selector"])
        assert workload["metadata"]["name"] == found["metadata"]["name"]
    for service in rendered.all("Service"):
        [workload] = rendered.selected({"matchLabels": service["spec"]["selector"]})
        assert workload["metadata"]["name"] == service["metadata"]["name"]


def test_pods_are_spread_among_their_like(rendered: Rendered) -> None:
    for workload in rendered.workloads():
        for rule in workload["spec"]["template"]["spec"].get("topologySpreadConstraints", ()):
            assert rule["labelSelector"]["matchLabels"] == labels(workload)


def test_the_monitor_finds_every_service_and_its_port() -> None:
    rendered = Rendered("cpu")
    [monitor] = rendered.all("ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    [endpoint] = monitor["spec"]["endpoints"]
    for service in rendered.all("Service"):
        assert wanted <= service["metadata"]["labels"].items()
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_the_monitor_finds_every_worker_and_where_it_answers() -> None:
    rendered = Rendered("gpu")
    [monitor] = rendered.all("PodMonitor")
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    found = rendered.selected(monitor["spec"]["selector"])
    workers = [one for one in rendered.workloads() if "worker" in one["metadata"]["name"]]
    assert found == workers
    for worker in workers:
        [port] = [one for one in main(worker)["ports"] if one["name"] == endpoint["port"]]
        settings = rendered.settings(main(worker))
        assert settings.worker_metrics_port == port["containerPort"]
        assert settings.worker_metrics_host == "0.0.0.0"  # as another pod asks


def test_a_deployment_has_one_scaler_at_most_or_a_number_of_its_own(rendered: Rendered) -> None:
    scalers = rendered.all("HorizontalPodAutoscaler", "ScaledObject")
    targets = [scaler["spec"]["scaleTargetRef"]["name"] for scaler in scalers]
    assert len(set(targets)) == len(targets)
    deployments = {one["metadata"]["name"]: one["spec"] for one in rendered.all("Deployment")}
    assert set(targets) <= deployments.keys()
    counted = {name for name, spec in deployments.items() if "replicas" in spec}
    assert counted == deployments.keys() - set(targets)


def test_images_are_targets_of_the_dockerfile_at_this_release(rendered: Rendered) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()
    for container in all_containers(rendered):
        name, _, tag = container["image"].partition(":")
        assert f"AS {name.removeprefix('torchkiln-')}\n" in dockerfile
        assert tag == project["version"]


def test_every_secret_is_in_the_manual(rendered: Rendered) -> None:
    manual = (ROOT / "docs/kubernetes.md").read_text()
    wanted = {"torchkiln": set[str]()}
    for container in all_containers(rendered):
        for variable in container.get("env", ()):
            if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                wanted[reference["name"]].add(reference["key"])
    for account in rendered.all("TriggerAuthentication"):
        for reference in account["spec"]["secretTargetRef"]:
            wanted.setdefault(reference["name"], set()).add(reference["key"])
    for monitor in rendered.all("ServiceMonitor"):
        key = monitor["spec"]["endpoints"][0]["authorization"]["credentials"]
        wanted.setdefault(key["name"], set()).add(key["key"])
    for name, keys in wanted.items():
        assert f"create secret generic {name} " in manual
        assert [key for key in keys if f"--from-literal={key}=" not in manual] == []
