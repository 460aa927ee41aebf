"""The commands of `torchkiln jobs` that do something to a job."""

from __future__ import annotations

from typing import Annotated

import typer

from torchkiln.cli.job_parts import JobId, Param, Watch, print_state, watch_job
from torchkiln.cli.options import DEFAULT_URL, ApiKey, Url, connect
from torchkiln.cli.params import parse_params


def pause(job_id: JobId, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Ask a job to write a checkpoint and wait to be resumed."""
    with connect(url, api_key) as client:
        print_state(client.jobs.pause(job_id))


def resume(
    job_id: JobId,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="As `jobs checkpoints` lists them; later ones are left behind.",
            show_default="the latest",
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="In all, not more of them.")] = None,
    param: Param = None,
    watch: Watch = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Go on with a job that is paused, has failed or was cancelled, from a checkpoint."""
    params = parse_params(param or [], None)
    if epochs is not None:
        params["epochs"] = epochs
    with connect(url, api_key) as client:
        print_state(client.jobs.resume(job_id, checkpoint=checkpoint, params=params))
        if watch:
            watch_job(client, job_id)


def cancel(job_id: JobId, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Ask a job to write a checkpoint and stop."""
    with connect(url, api_key) as client:
        print_state(client.jobs.cancel(job_id))


def kill(job_id: JobId, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Stop a job at once, without a checkpoint."""
    with connect(url, api_key) as client:
        print_state(client.jobs.kill(job_id))
