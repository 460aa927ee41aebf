"""What the commands of `torchkiln jobs` share."""

from __future__ import annotations

from typing import Annotated

import typer

from torchkiln.cli.failures import FAILED
from torchkiln.client import Client
from torchkiln.display import console, progress, tables
from torchkiln.types import Job

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, job_…")]
Param = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        "-p",
        metavar="NAME=VALUE",
        help="A param, its value as JSON or a word; nested: optimizer.lr=0.01. Repeatable.",
    ),
]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Stay until it has ended.")]


def watch_job(client: Client, job_id: str) -> None:
    err = console.err()
    job = progress.watch(client, job_id, err)
    print_state(job)
    if job["error"]:
        err.print(f"{job['error']['code']}: {job['error']['message']}", markup=False)
    if job["status"] != "succeeded":
        raise typer.Exit(FAILED)


def print_state(job: Job) -> None:
    published = f"  {tables.model_name(job)}" if job["model_version"] else ""
    typer.echo(f"{job['id']}  {job['status']}{published}")
