"""Options that several commands share, each also an environment variable `TORCHKILN_<NAME>`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from torchkiln.client import Client
from torchkiln.display import console
from torchkiln.supervisor import checkout

DEFAULT_URL = "http://127.0.0.1:8000"

Url = Annotated[
    str,
    typer.Option(
        "--url", envvar="TORCHKILN_URL", help="Address of the service.", rich_help_panel="Service"
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        envvar="TORCHKILN_API_KEY",
        help="Key to show to the service, tk_…",
        rich_help_panel="Service",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the service's JSON.")]
Limit = Annotated[int, typer.Option(min=1, max=200, help="How many at most.")]
Host = Annotated[
    str, typer.Option(envvar="TORCHKILN_HOST", help="Address to listen on; needs a key if public.")
]
Port = Annotated[
    int, typer.Option(envvar="TORCHKILN_PORT", min=0, max=65535, help="Port to listen on.")
]
GrpcPort = Annotated[
    int | None,
    typer.Option(
        envvar="TORCHKILN_GRPC_PORT",
        min=0,
        max=65535,
        help="Port of gRPC; 0 turns it off.",
        show_default="8001, or a free one",
    ),
]
DashboardHost = Annotated[
    str,
    typer.Option(envvar="TORCHKILN_DASHBOARD_HOST", help="Address that the web page listens on."),
]
DashboardPort = Annotated[
    int | None,
    typer.Option(
        envvar="TORCHKILN_DASHBOARD_PORT",
        min=0,
        max=65535,
        help="Port of the web page; 0 turns it off.",
        show_default="8002, or a free one",
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        envvar="TORCHKILN_DATA_DIR",
        help="Where everything is kept.",
        show_default="var in the checkout",
        file_okay=False,
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        envvar="TORCHKILN_DATABASE_URL",
        help="SQLAlchemy URL.",
        show_default="SQLite in the data directory",
    ),
]
RedisUrl = Annotated[
    str | None,
    typer.Option(
        envvar="TORCHKILN_REDIS_URL", help="An existing Redis.", show_default="the embedded broker"
    ),
]
JobSlots = Annotated[
    int, typer.Option(envvar="TORCHKILN_JOB_SLOTS", min=1, max=256, help="Jobs run at a time.")
]


def connect(url: str, api_key: str | None) -> Client:
    return Client(url, api_key or None)


def resolve_data_dir(data_dir: Path | None) -> Path:
    """Absolute, because the rooms run in another directory."""
    return (data_dir or checkout.default_data_dir()).expanduser().absolute()


def print_json(value: object) -> None:
    """Indented and coloured in a terminal, in one piece for a program."""
    console.out().print_json(json.dumps(value))
