"""One project of the compose file, as a person at a shell has it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from torchkiln import Client

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".stack"
"""What is kept between runs, wheels above all."""
MAIN, SECURED = PROJECTS = "torchkiln-test", "torchkiln-test-secured"
IN_BUCKETS = {
    "COMPOSE_PROFILES": "s3",
    "TORCHKILN_STORAGE_URL": "s3://torchkiln/files",
    "AWS_ENDPOINT_URL": "http://s3:8333",
    "AWS_SHARED_CREDENTIALS_FILE": "/run/torchkiln/aws_credentials",
}
"""Files in the object store of profile `s3`, instead of in a volume."""
UP_S = 300
DEADLINE_S = 120.0


@cache
def program() -> tuple[str, ...]:
    """Version 2 is a plugin of docker, version 1 a program; the file is for both."""
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    if plugin.returncode == 0:
        return ("docker", "compose")
    assert shutil.which("docker-compose"), "expected docker compose or docker-compose, got neither"
    return ("docker-compose",)


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def until(holds: Callable[[], object], what: str, *, within_s: float = DEADLINE_S) -> Any:
    """Wait for a condition. → what it came to."""
    deadline = time.monotonic() + within_s
    while not (result := holds()):
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}"
        time.sleep(0.1)
    return result


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


def inspect(container: str) -> dict[str, Any]:
    return json.loads(docker("inspect", container))[0]


def address(container: str) -> str:
    """Where this machine reaches it, past the proxy."""
    (network,) = inspect(container)["NetworkSettings"]["Networks"].values()
    return str(network["IPAddress"])


def healthy(container: str) -> bool:
    state = inspect(container)["State"]
    return bool(state["Running"]) and state.get("Health", {}).get("Status") == "healthy"


class Compose:
    def __init__(self, project: str, environment: Mapping[str, str]) -> None:
        """`environment` is what a user would write into `.env`."""
        self.project = project
        self.port, self.grpc_port, self.dashboard_port = free_port(), free_port(), free_port()
        ports = {
            "PUBLISH_PORT": str(self.port),
            "PUBLISH_GRPC_PORT": str(self.grpc_port),
            "DASHBOARD_PORT": str(self.dashboard_port),
        }
        clean = {key: value for key, value in os.environ.items() if "TORCHKILN" not in key}
        self._environment = clean | ports | environment

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> Client:
        return Client(self.url)

    def up(self, *services: str, **replicas: int) -> None:
        """Bring up what is not, with so many containers of a service (`worker_cpu`: worker-cpu)."""
        counts = [f"{name.replace('_', '-')}={count}" for name, count in replicas.items()]
        scale = [part for count in counts for part in ("--scale", count)]
        self._run("up", "-d", "--no-build", "--no-recreate", *scale, *services, timeout=UP_S)

    def down(self) -> None:
        self._run("down", "-v", "--remove-orphans", "-t", "5")

    def containers(self, service: str) -> list[str]:
        """Those that run, the oldest first."""
        label = f"label=com.docker.compose.service={service}"
        project = f"label=com.docker.compose.project={self.project}"
        found = docker("ps", "-q", "--filter", label, "--filter", project).split()
        return sorted(found, key=lambda each: inspect(each)["Created"])

    def logs(self) -> str:
        return self._run("logs", "--no-color", "--tail", "200")

    def _run(self, *arguments: str, timeout: float | None = None) -> str:
        # Not the `.env` of whoever runs this.
        options = ("-f", "docker-compose.yml", "-p", self.project, "--env-file", ".env.example")
        done = subprocess.run(
            [*program(), *options, *arguments],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"compose {' '.join(arguments)}: {done.stderr[-2000:]}"
        return done.stdout
