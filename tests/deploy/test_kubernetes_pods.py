"""The pods of deploy/kubernetes run what the service is, within what they are given."""

from __future__ import annotations

import re

from api.main import GRACE_S
from services.probe import PROBES, SILENT_S
from services.settings import Settings
from tests.support.kubernetes import (
    ROOT,
    Rendered,
    all_containers,
    main,
    pod,
    quantity,
)
from tests.support.kustomize import Object
from workers.worker import LEAVE_S

DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
DATA_DIR = re.findall(r"TORCHKILN_DATA_DIR=(\S+)", DOCKERFILE)[0]
LIBRARIES = 2**30
"""What a process with every library takes, roughly and at most, beside what settings allow it."""


def settings_of(rendered: Rendered) -> list[tuple[Object, Settings]]:
    return [(one, rendered.settings(main(one))) for one in rendered.workloads()]


def limit(workload: Object, resource: str) -> float:
    return quantity(main(workload)["resources"]["limits"][resource])


def volume_bytes(workload: Object, name: str) -> float:
    [volume] = [one for one in pod(workload)["volumes"] if one["name"] == name]
    return quantity(volume["emptyDir"]["sizeLimit"])


def test_variables_are_settings_with_values_that_hold(rendered: Rendered) -> None:
    known = {f"TORCHKILN_{name.upper()}" for name in Settings.model_fields}
    for container in all_containers(rendered):
        rendered.settings(container)  # raises for a value that is out of bounds
        ours = {name for name in rendered.environment(container) if name.startswith("TORCHKILN_")}
        assert ours - known == {"TORCHKILN_SECRETS_DIR"}


def test_secrets_are_where_the_settings_look(rendered: Rendered) -> None:
    for container in all_containers(rendered):
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert mounts[rendered.environment(container)["TORCHKILN_SECRETS_DIR"]] == "secrets"


def test_ports_are_those_that_are_listened_on(rendered: Rendered) -> None:
    for service in rendered.all("Service"):
        [workload] = rendered.selected({"matchLabels": service["spec"]["selector"]})
        settings = rendered.settings(main(workload))
        listened = {"http": settings.port}
        if settings.grpc_port:
            listened["grpc"] = settings.grpc_port
        assert {port["name"]: port["containerPort"] for port in main(workload)["ports"]} == listened
        assert {port["targetPort"]: port["port"] for port in service["spec"]["ports"]} == listened


def test_pods_have_time_to_end_and_more_than_a_lease_of_it(rendered: Rendered) -> None:
    for workload, settings in settings_of(rendered):
        if workload["kind"] == "Job":
            continue
        grace = pod(workload)["terminationGracePeriodSeconds"]
        assert grace > settings.lease_s
        if main(workload)["image"].startswith("torchkiln-worker"):
            assert grace > LEAVE_S
        else:
            withdrawn = main(workload)["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert withdrawn > 0
            assert grace > withdrawn + GRACE_S


def test_memory_is_more_than_settings_let_a_pod_take(rendered: Rendered) -> None:
    for workload, settings in settings_of(rendered):
        allowed = {
            "torchkiln-serve": settings.model_memory_bytes,
            "torchkiln-manage": 2 * LIBRARIES + settings.import_memory_bytes,  # two processes more
            "torchkiln-worker-cpu": settings.job_slots * settings.memory_per_job_bytes,
            "torchkiln-worker-gpu": (settings.job_slots + settings.gpu_slots)
            * settings.memory_per_job_bytes,
            "torchkiln-migrate": -LIBRARIES,  # has none of the large ones
        }[workload["metadata"]["name"]]
        assert limit(workload, "memory") > LIBRARIES + allowed
        if "worker" in workload["metadata"]["name"]:
            assert settings.memory_per_job_bytes, "jobs need a limit of their own"


def test_trainers_have_as_many_threads_as_the_pod_has_cores(rendered: Rendered) -> None:
    for workload, settings in settings_of(rendered):
        if main(workload)["image"].startswith("torchkiln-worker"):
            slots = settings.job_slots + settings.gpu_slots
            assert slots * settings.threads_per_job == limit(workload, "cpu")


def test_there_is_room_on_disk_for_the_cache_and_for_bodies(rendered: Rendered) -> None:
    for workload, settings in settings_of(rendered):
        assert volume_bytes(workload, "data") > settings.cache_bytes
        assert volume_bytes(workload, "tmp") > settings.max_body_bytes


def test_containers_may_do_nothing_that_they_need_not(rendered: Rendered) -> None:
    user = int(re.findall(r"--uid (\d+)", DOCKERFILE)[0])
    for workload in rendered.workloads():
        security = pod(workload)["securityContext"]
        assert security["runAsNonRoot"]
        assert security["runAsUser"] == user
        assert security["fsGroup"] == user
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod(workload)["automountServiceAccountToken"] is False
        assert pod(workload)["enableServiceLinks"] is False
        [account] = rendered.all("ServiceAccount")
        assert pod(workload)["serviceAccountName"] == account["metadata"]["name"]
    for container in all_containers(rendered):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_what_is_written_to_is_a_volume(rendered: Rendered) -> None:
    for container in all_containers(rendered):
        mounts = {one["mountPath"]: one for one in container["volumeMounts"]}
        assert {DATA_DIR, "/tmp"} <= mounts.keys()
        assert "readOnly" not in mounts[DATA_DIR] | mounts["/tmp"]


def test_probes_ask_what_is_there(rendered: Rendered) -> None:
    for workload in rendered.all("Deployment"):
        container = main(workload)
        probes = [container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")]
        if not container["image"].startswith("torchkiln-worker"):
            assert [probe["httpGet"]["path"] for probe in probes] == [
                "/healthz",
                "/healthz",
                "/readyz",
            ]
            continue
        for probe in probes:
            *python, name = probe["exec"]["command"]
            assert python == ["python", "-S", "-m", "services.probe"]
            assert name in PROBES


def test_a_worker_outlives_an_outage_of_the_database(rendered: Rendered) -> None:
    """Its probe is about the database too: a restart for that would help nobody."""
    for workload in rendered.all("Deployment"):
        if main(workload)["image"].startswith("torchkiln-worker"):
            probe = main(workload)["livenessProbe"]
            assert probe["periodSeconds"] * probe["failureThreshold"] > 2 * SILENT_S
