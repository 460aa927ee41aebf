"""What the benchmark has to know of a server: how to install, start, ask and understand it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.kiln import Kiln
from benchmarks.serving.models import INPUT, OUTPUT, Model

PEERS = Path(__file__).parents[1] / "peers"
"""What the peers' own interpreters run."""
ROOT = Path(__file__).parents[3]
HOST = "127.0.0.1"
ONNX = ("numpy==2.4.6", "onnxruntime==1.32.0")
"""In every environment, as in torchkiln's."""

HTTP, GRPC = "http", "grpc"

Row = NDArray[np.float32]


@dataclass(frozen=True)
class Site:
    """Where and with what a server is to run."""

    model: Model
    workers: int
    port: int
    more_ports: Sequence[int]
    """For servers that cannot do with one."""
    python: Path
    """The interpreter of the server's environment."""
    directory: Path
    """Empty, and the server's own."""
    kiln: Kiln

    @property
    def grpc_port(self) -> int:
        return self.more_ports[0]

    @property
    def settings(self) -> dict[str, str]:
        """What the scripts in `peers/` read."""
        return {
            "BENCH_MODEL": str(self.model.file),
            "BENCH_NAME": self.model.name,
            "BENCH_INPUT": INPUT,
            "BENCH_INPUTS": str(self.model.inputs),
            "BENCH_OUTPUT": OUTPUT,
            "BENCH_HOST": HOST,
            "BENCH_PORT": str(self.port),
            "BENCH_MORE_PORTS": ",".join(map(str, self.more_ports)),
            "BENCH_WORKERS": str(self.workers),
        }


@dataclass(frozen=True)
class Launch:
    """Processes to start, in the site's directory. `env` is on top of a clean one."""

    commands: Sequence[Sequence[str]]
    env: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Request:
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    method: str = "POST"


@dataclass(frozen=True)
class Response:
    headers: Mapping[str, str]
    """With names in lower case."""
    body: bytes


@dataclass(frozen=True)
class Wire:
    """One way to ask for the answer to one row."""

    request: Callable[[Site, Row], Request]
    answer: Callable[[Response], Sequence[float]] | None
    """None for a server without a model."""
    protocol: str = HTTP

    def port(self, site: Site) -> int:
        return site.grpc_port if self.protocol == GRPC else site.port


@dataclass(frozen=True)
class Server:
    name: str
    title: str
    """As in the report, without the version."""
    about: str
    """How it was set up, for the reader of the report."""
    launch: Callable[[Site], Launch]
    wires: Mapping[str, Wire]
    packages: Sequence[str] = ()
    """Exact; the first one is the server itself. Empty: it runs in torchkiln's environment."""
    needs: Sequence[str] = ()
    """Programs of the system."""
    environment: str = ""
    """The name of its environment, where several servers share one; `name` if empty."""
    borrows: bool = False
    """Whether its environment sees the packages of torchkiln's behind its own: torch is large."""
    start_limit_s: float = 60.0


def script(name: str) -> str:
    return str(PEERS / name)


def python_launch(name: str) -> Callable[[Site], Launch]:
    """`peers/<name>` by the server's interpreter; the script starts as many workers as asked."""
    return lambda site: Launch([[str(site.python), script(name)]], site.settings)
