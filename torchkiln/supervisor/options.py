"""What `torchkiln up` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

WILDCARDS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound


@dataclass(frozen=True)
class UpOptions:
    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8000
    """0 takes a free one."""
    grpc_port: int | None = None
    """0 is off; None takes the usual one, or a free one."""
    dashboard_host: str = "127.0.0.1"
    dashboard_port: int | None = None
    """Of the web page; 0 is off, None takes the usual one, or a free one."""
    database_url: str | None = None
    """None is SQLite in `data_dir`."""
    redis_url: str | None = None
    """None is the embedded broker."""
    api_workers: int = 1
    job_slots: int = 1
    verbose: bool = False
    """Show the children's logs as they are written."""

    @property
    def logs_dir(self) -> Path:
        return self.data_dir / "logs"


def address(host: str, port: int) -> str:
    """The URL under which this machine reaches what listens on `host:port`."""
    host = WILDCARDS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
