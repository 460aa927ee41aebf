"""`torchkiln jobs`: training jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from torchkiln.cli.failures import FAILED
from torchkiln.cli.options import DEFAULT_URL, ApiKey, AsJson, Limit, Url, connect, print_json
from torchkiln.cli.params import parse_params
from torchkiln.client import Client
from torchkiln.display import console, progress, tables
from torchkiln.types import Job

app = typer.Typer(no_args_is_help=True, help="Training jobs: submit, look, watch, stop.")

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, job_…")]


@app.command()
def submit(
    pipeline: Annotated[str, typer.Argument(help="As `torchkiln pipelines` lists them.")],
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            "-p",
            metavar="NAME=VALUE",
            help="A param, its value as JSON or a word; nested: optimizer.lr=0.01. Repeatable.",
        ),
    ] = None,
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
    priority: Annotated[int | None, typer.Option(min=0, max=9, help="9 goes first.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same weights.")] = None,
    promote: Annotated[
        str | None, typer.Option(help="never, always or if_better: becomes the champion?")
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key never makes a second job.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Stay until it has ended.")] = False,
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
            priority=priority,
            seed=seed,
            promote=promote,
        )
        if as_json:
            print_json(job)
        else:
            typer.echo(job["id"])
        if watch:
            _watch(client, job["id"])


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
        _watch(client, job_id)


@app.command()
def cancel(job_id: JobId, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Ask a job to write a checkpoint and stop."""
    with connect(url, api_key) as client:
        _print_state(client.jobs.cancel(job_id))


@app.command()
def kill(job_id: JobId, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Stop a job at once, without a checkpoint."""
    with connect(url, api_key) as client:
        _print_state(client.jobs.kill(job_id))


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


def _watch(client: Client, job_id: str) -> None:
    err = console.err()
    job = progress.watch(client, job_id, err)
    _print_state(job)
    if job["error"]:
        err.print(f"{job['error']['code']}: {job['error']['message']}", markup=False)
    if job["status"] != "succeeded":
        raise typer.Exit(FAILED)


def _print_state(job: Job) -> None:
    published = f"  {tables.model_name(job)}" if job["model_version"] else ""
    typer.echo(f"{job['id']}  {job['status']}{published}")
