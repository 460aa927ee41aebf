"""The service as one would run it for others: files in buckets, keys, TLS, and watched."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.stack import jobs
from tests.stack.compose import (
    IN_BUCKETS,
    ROOT,
    SECURED,
    Compose,
    docker,
    free_port,
    healthy,
    until,
)
from tests.stack.conftest import SHARE, Tell, running
from tests.stack.test_quickstart import quickstart
from tests.support.metric_names import queries, read_by
from torchkiln import Client

pytestmark = pytest.mark.compose

OF_RUNS = (
    "torchkiln_attempts",
    "torchkiln_checkpoint",
    "torchkiln_gpu",
    "torchkiln_jobs_running",
    "torchkiln_training",
)
SERVICES = ("bucket", "proxy", "worker-cpu", "prometheus", "flower")
"""All but Grafana, which has no stand-in."""


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What TLS_DIR names: a certificate for this machine's loopback, and the example of nginx."""
    folder = tmp_path_factory.mktemp("tls")
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    request += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "server.key"), "-out", str(folder / "server.crt")]
    subprocess.run([*request, *files], check=True, capture_output=True)
    example = ROOT / "deploy/proxy/tls/tls.conf.example"
    (folder / "tls.conf").write_text(example.read_text())
    return folder


class Secured(Compose):
    """The project, the key that was made first, and how its certificate is checked."""

    def __init__(self, tls: Path, key_file: Path) -> None:
        self.prometheus, self.flower = free_port(), free_port()
        own = {
            "COMPOSE_PROFILES": "s3,observability",
            "TORCHKILN_INSECURE": "0",
            "PROXY_PORT": "8443",
            "PROXY_GRPC_PORT": "8444",
            "TLS_DIR": str(tls),
            "METRICS_KEY_FILE": str(key_file),
            "PROMETHEUS_PORT": str(self.prometheus),
            "FLOWER_PORT": str(self.flower),
        }
        super().__init__(SECURED, SHARE | IN_BUCKETS | own)
        self.tls = ssl.create_default_context(cafile=str(tls / "server.crt"))
        self.key = ""

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def client(self) -> Client:
        return Client(self.url, self.key, transport=httpx.HTTPTransport(verify=self.tls))

    def make_key(self, name: str, *options: str) -> str:
        return self._run("run", "--rm", "-T", "migrate", "keys", "create", name, *options).split()[
            0
        ]


@pytest.fixture(scope="module")
def secured(
    request: pytest.FixtureRequest,
    stack: Compose,
    tls: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[Secured]:
    """`stack` is only asked for because it says whether there are images."""
    key_file = tmp_path_factory.mktemp("keys") / "metrics.key"
    key_file.touch()
    made = Secured(tls, key_file)
    try:
        made.key = made.make_key("owner")
        key_file.write_text(made.make_key("prometheus", "--scope", "read"))
        for folder in (key_file, *key_file.parents[:2]):
            folder.chmod(0o755)
        yield from running(made, request.session, *SERVICES)
    finally:
        made.down()


def test_the_quickstart_by_key_over_tls_with_files_in_buckets(secured: Secured) -> None:
    headers = {"Authorization": f"Bearer {secured.key}"}
    how: dict[str, Any] = {"verify": secured.tls, "timeout": 120, "trust_env": False}
    with httpx.Client(base_url=secured.url, headers=headers, **how) as http:
        quickstart(http)
    with httpx.Client(base_url=secured.url, **how) as stranger:
        assert stranger.get("/v1/jobs").status_code == 401
    (worker,) = secured.containers("worker-cpu")
    assert docker("exec", worker, "ls", "/srv/files") == ""


def test_a_killed_worker_goes_on_from_the_bucket(secured: Secured, tell: Tell) -> None:
    secured.up(*SERVICES, worker_cpu=2)
    with secured.client() as client:
        until(lambda: sum(bool(each["queues"]) for each in client.workers()) == 2, "two workers")
        undisturbed, killed = (jobs.submit(client, name) for name in ("undisturbed", "killed"))
        running = jobs.under_way(client, killed)
        docker("kill", jobs.container_of(secured, running))
        after = jobs.ended(client, killed)
        assert [each["outcome"] for each in after["attempts"]] == ["lost", "succeeded"]
        jobs.ended(client, undisturbed)
        assert jobs.weights(client, killed) == jobs.weights(client, undisturbed)
    tell("files in buckets, a worker killed in mid-training: the same weights")


def asked(secured: Secured, query: str) -> list[dict[str, Any]]:
    url = f"http://127.0.0.1:{secured.prometheus}/api/v1/query"
    answer = httpx.get(url, params={"query": query}, timeout=30, trust_env=False).json()
    assert answer["status"] == "success", (query, answer)
    return answer["data"]["result"]


def test_prometheus_meets_every_replica_and_answers_the_dashboard(secured: Secured) -> None:
    secured.up(*SERVICES, api=2, worker_cpu=2)
    (watcher,) = secured.containers("prometheus")
    until(lambda: healthy(watcher), "Prometheus is healthy")
    for job in ("api", "worker"):
        up = f'up{{job="{job}"}} == 1'
        until(lambda up=up: len(asked(secured, up)) == 2, f"both of {job} are scraped")
    every = [*queries()]
    assert len(every) > 30
    for query in every:
        asked(secured, query.replace("$__rate_interval", "1m"))
    names = {name for query in every for name in read_by(query)}
    by_name = 'count by (__name__) ({job=~"api|worker"})'
    known = {each["metric"]["__name__"] for each in asked(secured, by_name)}
    # What no worker has had to count yet has no series; tests/deploy knows that there will be.
    assert {name for name in names if not name.startswith(OF_RUNS)} <= known


def test_flower_reads_the_broker(secured: Secured) -> None:
    """It answers only once it has connected to it."""
    url = f"http://127.0.0.1:{secured.flower}/broker"
    page = until(lambda: _page(url), "Flower shows the broker")
    assert "redis" in page


def _page(url: str) -> str | None:
    try:
        answer = httpx.get(url, timeout=10, trust_env=False)
    except httpx.HTTPError:
        return None
    return answer.text if answer.status_code == 200 else None
