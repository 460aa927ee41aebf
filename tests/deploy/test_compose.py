"""The compose file and what lies beside it, as far as that can be known without running it; the
rest is `make test-stack`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboard.settings import DashboardSettings
from services.settings import Settings
from tests.stack.images import STANDINS

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
OBSERVABILITY = ROOT / "deploy/observability"
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::-([^}]*))?\}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text())


def test_the_example_has_each_variable_with_its_default() -> None:
    used = dict(VARIABLE.findall(FILE.read_text()))
    lines = (ROOT / ".env.example").read_text().splitlines()
    pairs = [line[1:].split("=", 1) for line in lines if re.match(r"#\w+=", line)]
    shown: dict[str, set[str]] = {}
    for name, value in pairs:
        shown.setdefault(name, set()).add(value)
    own = {"COMPOSE_PROFILES"}
    assert set(shown) - own == set(used)
    for name, default in used.items():
        # Some have a second line, in a block that goes together.
        assert default in shown[name] or not default, name


def test_each_service_says_whether_it_is_well_or_ends(compose: dict[str, Any]) -> None:
    """Those of our own images have their health check there."""
    ours = (ROOT / "deploy/Dockerfile").read_text().count("\nHEALTHCHECK ")
    assert ours == 2
    for name, service in compose["services"].items():
        once = service.get("restart") == "no"
        built = service["image"] in ("torchkiln-api", "torchkiln-worker")
        assert once or built or "healthcheck" in service, name


def test_services_wait_for_what_they_need_to_be_well(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            once = services[needed].get("restart") == "no"
            wanted = "service_completed_successfully" if once else "service_healthy"
            assert how["condition"] == wanted, f"{name} on {needed}"
            profiles = services[needed].get("profiles", service.get("profiles"))
            assert profiles == service.get("profiles"), f"{name} on {needed}"


def test_only_the_proxy_can_be_reached_from_elsewhere(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        start = "${PUBLISH_ADDRESS:-127.0.0.1}:" if name == "proxy" else "127.0.0.1:"
        assert all(port.startswith(start) for port in service.get("ports", [])), name


def test_settings_and_files_that_it_names_exist(compose: dict[str, Any]) -> None:
    names = [*Settings.model_fields, *DashboardSettings.model_fields]
    known = {f"TORCHKILN_{name.upper()}" for name in names}
    known.add("TORCHKILN_SECRETS_DIR")
    declared = set(compose["volumes"])
    for service in compose["services"].values():
        given = service.get("environment", {})
        assert {name for name in given if name.startswith("TORCHKILN_")} <= known
        for volume in service.get("volumes", []):
            source = VARIABLE.sub(lambda found: found[2], volume).split(":")[0]
            assert source in declared or (ROOT / source).exists(), volume


def test_no_password_is_in_the_file(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|KEY", key):
                assert re.fullmatch(r"\$\{\w+:-\}|/run/torchkiln(/\w+)?", value), f"{name} {key}"


def test_the_proxy_takes_bodies_as_large_as_the_service_does(compose: dict[str, Any]) -> None:
    environment = compose["services"]["api"]["environment"]
    default = VARIABLE.fullmatch(environment["TORCHKILN_MAX_BODY_BYTES"])
    assert default is not None
    limit = re.search(
        r"client_max_body_size (\d+)m;", (ROOT / "deploy/proxy/nginx.conf").read_text()
    )
    assert limit is not None
    assert int(limit[1]) * 2**20 == int(default[2])


def test_every_image_of_others_can_be_stood_in_for_but_one(compose: dict[str, Any]) -> None:
    images = (service["image"] for service in compose["services"].values())
    found = {VARIABLE.sub(lambda each: each[2], image) for image in images}
    base = re.search(r"^ARG BASE_IMAGE=(.*)$", (ROOT / "deploy/Dockerfile").read_text(), re.M)
    assert base is not None
    others = {image for image in found if not image.startswith("torchkiln-")}
    assert {*STANDINS, "grafana/grafana:12.1.0"} == others | {base[1]}


def test_what_grafana_is_given_fits_together() -> None:
    """The dashboard asks the data source that is provisioned, from the folder that is mounted."""
    provisioning = OBSERVABILITY / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    (provider,) = yaml.safe_load((provisioning / "dashboards/torchkiln.yml").read_text())[
        "providers"
    ]
    assert f"dashboards:{provider['options']['path']}:ro" in FILE.read_text()
    board = json.loads((OBSERVABILITY / "dashboards/torchkiln.json").read_text())
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in panels:
        assert {each["datasource"]["uid"] for each in panel["targets"]} == {source["uid"]}
        assert panel["description"], panel["title"]


def test_prometheus_asks_every_worker_where_it_answers(compose: dict[str, Any]) -> None:
    config = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())
    worker = next(each for each in config["scrape_configs"] if each["job_name"] == "worker")
    (names,) = worker["dns_sd_configs"]
    workers = [name for name in compose["services"] if name.startswith("worker-")]
    assert (names["names"], names["type"]) == (workers, "A")
    for name in workers:
        given = compose["services"][name]["environment"]
        assert given["TORCHKILN_WORKER_METRICS_PORT"] == str(names["port"])
        assert given["TORCHKILN_WORKER_METRICS_HOST"] == "0.0.0.0"
        assert "ports" not in compose["services"][name]


def test_prometheus_asks_every_replica() -> None:
    config = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())
    api = next(each for each in config["scrape_configs"] if each["job_name"] == "api")
    (names,) = api["dns_sd_configs"]
    assert (names["names"], names["type"], names["port"]) == (["api"], "A", 8000)
