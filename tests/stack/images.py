"""The images that the compose file names: pulled, or stood in for where none can be; and its own,
built by the real Dockerfile."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from tests.stack import wheels
from tests.stack.compose import ROOT

BASE = "python:3.11-slim-bookworm"
STANDINS = {
    BASE: "python",
    "postgres:17": "postgres",
    "redis:7": "redis",
    "nginx:1.28": "nginx",
    "chrislusf/seaweedfs:3.97": "s3",
    "prom/prometheus:v3.5.0": "prometheus",
    "mher/flower:2.0": "flower",
}
"""The images, and the target of standins/Dockerfile that can stand in for each. Grafana has none:
no package of Debian or Python brings it."""
FOLDER = Path(__file__).with_name("standins")
LABEL = "torchkiln.standin"
PULL_S = 300


def prepare() -> None:
    """Have every image. Docker knows which of those that were made before are as they should be."""
    missing = [image for image in STANDINS if not _is_real(image)]
    if missing and not all(map(_pull, missing)):
        _stand_in([image for image in missing if not _is_real(image)])
    with wheels.served() as arguments:
        for target in ("api", "worker"):
            _build("deploy/Dockerfile", ROOT, f"torchkiln-{target}", target, arguments)


def _is_real(image: str) -> bool:
    """Whether it is here, and no stand-in."""
    label = f'{{{{index .Config.Labels "{LABEL}"}}}}'
    command = ["docker", "image", "inspect", "--format", label, image]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.returncode == 0 and found.stdout.strip() in ("", "<no value>")


def _pull(image: str) -> bool:
    command = ["docker", "pull", "--quiet", image]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PULL_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _stand_in(names: list[str]) -> None:
    script = FOLDER / "root.sh"
    root = f"torchkiln-standin-root:{hashlib.sha256(script.read_bytes()).hexdigest()[:12]}"
    if not _is_real(root):
        print("test-stack: a Debian root for the stand-ins, a few minutes", flush=True)
        subprocess.run([script, root], check=True, stdout=subprocess.DEVNULL)
    with wheels.served() as arguments:
        label = ("--label", f"{LABEL}=yes", "--build-arg", f"ROOT={root}")
        for name in names:
            _build("Dockerfile", FOLDER, name, STANDINS[name], (*label, *arguments))


def _build(
    dockerfile: str, context: Path, tag: str, target: str, arguments: tuple[str, ...]
) -> None:
    """By Docker's classic builder, which every version has, on the network where the wheels are."""
    print(f"test-stack: building {tag}", flush=True)
    command = ["docker", "build", "--quiet", "--network", "host", "-f", dockerfile]
    command += ["--target", target, "-t", tag, *arguments, "."]
    env = os.environ | {"DOCKER_BUILDKIT": "0"}
    done = subprocess.run(
        command, cwd=context, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\ntest-stack: {tag} could not be built")
