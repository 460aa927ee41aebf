"""Requests reach the pods that answer them, and pods what they need; nothing else gets through."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from api.routes import MANAGE, SERVE
from tests.support.kubernetes import Rendered, labels, main, selects
from tests.support.kustomize import Object


def policies(rendered: Rendered, workload: Object, direction: str) -> list[Object]:
    """The rules of every policy for this workload."""
    return [
        rule
        for policy in rendered.all("NetworkPolicy")
        if selects(policy["spec"]["podSelector"], labels(workload))
        for rule in policy["spec"].get(direction, ())
    ]


def ports(rules: Sequence[Object]) -> set[Any]:
    return {port["port"] for rule in rules for port in rule["ports"]}


def test_nothing_is_allowed_that_no_policy_allows(rendered: Rendered) -> None:
    policy = rendered.one("NetworkPolicy", "torchkiln-default-deny")["spec"]
    assert policy == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for workload in rendered.workloads():
        for direction in ("ingress", "egress"):
            assert all(rule["ports"] for rule in policies(rendered, workload, direction))


RANKS = 32768
"""The first of the ports at which the ranks of one job meet."""


def is_worker(workload: Object) -> bool:
    return workload["metadata"]["name"].startswith("torchkiln-worker-")


def test_every_port_of_a_service_is_let_in_and_no_other(rendered: Rendered) -> None:
    open_ports = {
        workload["metadata"]["name"]: ports(policies(rendered, workload, "ingress"))
        for workload in rendered.workloads()
        if not is_worker(workload)
    }
    for service in rendered.all("Service"):
        wanted = {port["targetPort"] for port in service["spec"]["ports"]}
        assert wanted <= open_ports.pop(service["metadata"]["name"])
    assert set().union(*open_ports.values()) == set()


def test_every_pod_reaches_what_it_stands_on(rendered: Rendered) -> None:
    for workload in rendered.workloads():
        wanted = {53, 5432} if workload["kind"] == "Job" else {53, 5432, 6379, 443}
        wanted |= {RANKS} if is_worker(workload) else set()
        assert ports(policies(rendered, workload, "egress")) == wanted


def test_ranks_reach_those_of_other_workers_and_nobody_else_does(rendered: Rendered) -> None:
    workers = [one for one in rendered.workloads() if is_worker(one)]
    assert workers
    for worker in workers:
        [rule, *others] = sorted(
            policies(rendered, worker, "ingress"),
            key=lambda one: "podSelector" not in one["from"][0],
        )
        assert ports(others) == ({"metrics"} if rendered.all("PodMonitor") else set())
        [port] = rule["ports"]
        assert (port["protocol"], port["port"], port["endPort"]) == ("TCP", RANKS, 60999)
        [peer] = rule["from"]
        let_in = rendered.selected(peer["podSelector"])
        assert let_in == workers


def paths(routers: Sequence[APIRouter]) -> Iterator[str]:
    """A path of each route."""
    for router in routers:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            yield re.sub(r"\{[^}]*\}", "x@2", route.path)


@pytest.mark.parametrize(
    ("routers", "service"), [(SERVE, "torchkiln-serve"), (MANAGE, "torchkiln-manage")]
)
def test_the_ingress_sends_each_path_to_pods_that_answer_it(
    rendered: Rendered, routers: Sequence[APIRouter], service: str
) -> None:
    [ingress] = rendered.all("Ingress")
    [rule] = ingress["spec"]["rules"]
    # As ingress-nginx has it with `use-regex`: from a path's beginning, whatever its case, and the
    # longest expression first.
    expressions = sorted(rule["http"]["paths"], key=lambda one: -len(one["path"]))
    for path in paths(routers):
        [first, *_] = [one for one in expressions if re.match(one["path"], path, re.IGNORECASE)]
        assert first["backend"]["service"]["name"] == service, path
    [workload] = [one for one in rendered.workloads() if one["metadata"]["name"] == service]
    role = service.removeprefix("torchkiln-")
    assert rendered.settings(main(workload)).role == role


def test_the_ingress_names_services_and_ports_that_exist(rendered: Rendered) -> None:
    [ingress] = rendered.all("Ingress")
    for path in ingress["spec"]["rules"][0]["http"]["paths"]:
        backend = path["backend"]["service"]
        service = rendered.one("Service", backend["name"])
        assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}


def test_the_ingress_takes_bodies_as_large_as_the_service_does(rendered: Rendered) -> None:
    [ingress] = rendered.all("Ingress")
    size = ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]
    for service in rendered.all("Service"):
        [workload] = rendered.selected({"matchLabels": service["spec"]["selector"]})
        limit = rendered.settings(main(workload)).max_body_bytes
        assert size == f"{limit // 2**20}m"
