"""`torchkiln up`, `api`, `worker`: run the service, or one room of it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

from torchkiln.cli.options import (
    DashboardHost,
    DashboardPort,
    DatabaseUrl,
    DataDir,
    GrpcPort,
    Host,
    JobSlots,
    Port,
    RedisUrl,
    resolve_data_dir,
)
from torchkiln.supervisor import Supervisor, UpOptions, checkout


def up(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    grpc_port: GrpcPort = None,
    dashboard_host: DashboardHost = "127.0.0.1",
    dashboard_port: DashboardPort = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    redis_url: RedisUrl = None,
    api_workers: Annotated[
        int,
        typer.Option(
            envvar="TORCHKILN_API_WORKERS", min=1, max=64, help="API processes on the port."
        ),
    ] = 1,
    job_slots: JobSlots = 1,
    *,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", envvar="TORCHKILN_VERBOSE", help="Show the logs of all processes."
        ),
    ] = False,
) -> None:
    """Run the whole service on this machine: broker, API, worker, web page, until Ctrl-C.

    Prints one line, `torchkiln is ready at http://…`, once requests are answered. A process that
    dies is started again. Logs are in the data directory, in logs/. Port 0 takes a free one.
    gRPC has a port of its own, on the same address; so has the web page, on 127.0.0.1.
    """
    with suppress(ImportError):  # part of the service's extra; without it `ps` says less
        from setproctitle import setproctitle

        setproctitle("torchkiln: up")
    options = UpOptions(
        data_dir=resolve_data_dir(data_dir),
        host=host.strip("[]"),  # as IPv6 addresses are written in URLs
        port=port,
        grpc_port=grpc_port,
        dashboard_host=dashboard_host.strip("[]"),
        dashboard_port=dashboard_port,
        database_url=database_url or None,
        redis_url=redis_url or None,
        api_workers=api_workers,
        job_slots=job_slots,
        verbose=verbose,
    )
    checkout.root()
    Supervisor(options, announce=typer.echo, say=_say).run()


def api(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    grpc_port: Annotated[
        int,
        typer.Option(
            envvar="TORCHKILN_GRPC_PORT", min=0, max=65535, help="Port of gRPC; 0 is off."
        ),
    ] = 0,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    redis_url: RedisUrl = None,
) -> None:
    """Run one API process, for a host of its own; database and Redis are shared with others."""
    _become(
        "api",
        host=host,
        port=port,
        grpc_port=grpc_port,
        data_dir=resolve_data_dir(data_dir),
        database_url=database_url,
        redis_url=redis_url,
    )


def worker(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    redis_url: RedisUrl = None,
    job_slots: JobSlots = 1,
) -> None:
    """Run one worker, which trains and benchmarks; on any number of hosts."""
    _become(
        "workers",
        data_dir=resolve_data_dir(data_dir),
        database_url=database_url,
        redis_url=redis_url,
        job_slots=job_slots,
    )


def _become(room: str, **settings: object) -> None:
    """Replace this process by the room's, so that signals and exit codes are the room's own."""
    env = checkout.environment(**settings)
    os.chdir(checkout.root())
    os.execve(sys.executable, [sys.executable, "-m", room], env)  # noqa: S606 - our own module


def _say(text: str) -> None:
    with suppress(OSError):  # nobody listens any more: no reason to stop a service
        typer.echo(text, err=True)
