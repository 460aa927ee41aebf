"""`torchkiln jobs`: training jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from torchkiln.cli.job_control import cancel, kill, pause, resume
from torchkiln.cli.job_parts import JobId, Param, Watch, watch_job
from torchkiln.cli.options import DEFAULT_URL, ApiKey, AsJson, Limit, Url, connect, print_json
from torchkiln.cli.params import parse_params
from torchkiln.display import console, tables

app = typer.Typer(no_args_is_help=True, help="Training jobs: submit, look, watch, pause, stop.")


@app.command()
def submit(
    pipeline: Annotated[str, typer.Argument(help="As `torchkiln pipelines` lists them.")],
    param: Param = None,
    params_file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A JSON file of params; -p goes before it."),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Dataset's id.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Name to publish as.", show_default="the pipeline's")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.")] = None,
    world_size: Annotated[
        int | None, typer.Option(min=1, help="Processes that train together.")
    ] = None,
    hosts: Annotated[
        int | None, typer.Option(min=1, help="Workers over which these are spread.")
    ] = None,
    min_world_size: Annotated[
        int | None, typer.Option(min=1, help="As many will do where hosts are missing.")
    ] = None,
    priority: Annotated[int | None, typer.Option(min=0, max=9, help="9 goes first.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same weights.")] = None,
    promote: Annotated[
        str | None, typer.Option(help="never, always or if_better: becomes the champion?")
    ] = None,
    max_runtime_s: Annotated[
        float | None, typer.Option(help="Seconds of running after which it is stopped.")
    ] = None,
    max_steps: Annotated[
        int | None, typer.Option(min=1, help="Optimizer steps after which training is over.")
    ] = None,
    webhook: Annotated[
        str | None, typer.Option(help="URL that is told when it has ended or paused.")
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key never makes a second job.")
    ] = None,
    watch: Watch = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Queue a training job and print its id."""
    params = parse_params(param or [], params_file)
    with connect(url, api_key) as client:
        job = client.jobs.submit(
            pipeline,
            params=params,
            idempotency_key=idempotency_key,
            dataset=dataset,
            model=model,
            device=device,
            world_size=world_size,
            hosts=hosts,
            min_world_size=min_world_size,
            priority=priority,
            seed=seed,
            promote=promote,
            stop=_given(max_runtime_s=max_runtime_s, max_steps=max_steps) or None,
            webhook=webhook,
        )
        if as_json:
            print_json(job)
        else:
            typer.echo(job["id"])
        if watch:
            watch_job(client, job["id"])


@app.command("list")
def list_jobs(
    status: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    pipeline: Annotated[str | None, typer.Option(help="Only those of this pipeline.")] = None,
    model: Annotated[str | None, typer.Option(help="Only those of this model.")] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """List jobs, newest first."""
    with connect(url, api_key) as client:
        jobs = client.jobs.list(status=status, pipeline=pipeline, model=model, limit=limit)
    if as_json:
        print_json(jobs)
    else:
        console.out().print(tables.jobs(jobs))


@app.command()
def get(job_id: JobId, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Print everything about a job, as JSON."""
    with connect(url, api_key) as client:
        print_json(client.jobs.get(job_id))


@app.command()
def watch(job_id: JobId, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Follow a job until it has ended. Exit status 1 if it did not succeed."""
    with connect(url, api_key) as client:
        watch_job(client, job_id)


for _control in (pause, resume, cancel, kill):
    app.command()(_control)


@app.command()
def checkpoints(
    job_id: JobId, as_json: AsJson = False, url: Url = DEFAULT_URL, api_key: ApiKey = None
) -> None:
    """List the checkpoints of a job, newest first: what `resume` may go on from."""
    with connect(url, api_key) as client:
        rows = client.jobs.checkpoints(job_id)
    if as_json:
        print_json(rows)
    else:
        console.out().print(tables.checkpoints(rows))


@app.command()
def artifacts(
    job_id: JobId,
    to: Annotated[
        Path | None, typer.Option(help="Download them into this directory.", file_okay=False)
    ] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """List what a job left (plots and their numbers), or download it."""
    with connect(url, api_key) as client:
        files = client.jobs.artifacts(job_id)
        if to is not None:
            for file in files:
                typer.echo(client.jobs.download_artifact(job_id, file["name"], to / file["name"]))
    if as_json:
        print_json(files)
    elif to is None:
        console.out().print(tables.files(files))


def _given(**options: float | None) -> dict[str, float]:
    return {name: value for name, value in options.items() if value is not None}
