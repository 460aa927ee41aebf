"""`torchkiln benchmarks`: which backend is fastest on the service's host."""

from __future__ import annotations

from typing import Annotated

import typer

from torchkiln.cli.failures import FAILED
from torchkiln.cli.options import DEFAULT_URL, ApiKey, AsJson, Url, connect, print_json
from torchkiln.display import console, tables

app = typer.Typer(no_args_is_help=True, help="Latency benchmarks of a model's backends.")


@app.command()
def run(
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    version: Annotated[
        str | None, typer.Option(help="Number or alias.", show_default="champion")
    ] = None,
    backend: Annotated[
        list[str] | None, typer.Option(help="Repeatable.", show_default="all certified ones")
    ] = None,
    batch_size: Annotated[
        list[int] | None, typer.Option(min=1, help="Repeatable.", show_default="1, 8, 32")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of each backend.")] = None,
    min_time_s: Annotated[
        float | None, typer.Option(help="Seconds that each is timed at each size, at least.")
    ] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Time the backends of a version side by side, and print the table."""
    err = console.err()
    with connect(url, api_key) as client:
        benchmark = client.benchmarks.submit(
            model,
            version=version,
            backends=backend or None,
            batch_sizes=batch_size or None,
            threads=threads,
            min_time_s=min_time_s,
        )
        with err.status(f"{benchmark['id']} runs"):
            benchmark = client.benchmarks.wait(benchmark["id"])
    if as_json:
        print_json(benchmark)
    else:
        console.out().print(tables.benchmark(benchmark))
    if benchmark["status"] != "succeeded":
        error = benchmark["error"]
        err.print(f"{error['code']}: {error['message']}" if error else "failed", markup=False)
        raise typer.Exit(FAILED)
