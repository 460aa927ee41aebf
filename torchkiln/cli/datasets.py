"""`torchkiln datasets`: what can be trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast, get_args

import typer
from rich.markup import escape

from torchkiln.cli.options import DEFAULT_URL, ApiKey, AsJson, Limit, Url, connect, print_json
from torchkiln.display import console, tables
from torchkiln.types import Dataset, DatasetKind

app = typer.Typer(no_args_is_help=True, help="Datasets: the built-in ones and your own.")

DatasetId = Annotated[
    str, typer.Argument(metavar="DATASET", help="A built-in one's name, or an upload's id, ds_…")
]


@app.command("list")
def list_datasets(
    limit: Limit = 50, as_json: AsJson = False, url: Url = DEFAULT_URL, api_key: ApiKey = None
) -> None:
    """List the built-in datasets, then uploads, newest first."""
    with connect(url, api_key) as client:
        found = client.datasets.list(limit=limit)
    if as_json:
        print_json(found)
    else:
        console.out().print(tables.datasets(found))


@app.command()
def show(
    dataset_id: DatasetId, as_json: AsJson = False, url: Url = DEFAULT_URL, api_key: ApiKey = None
) -> None:
    """Show one dataset with its profile: columns, ranges, class counts."""
    with connect(url, api_key) as client:
        _show(client.datasets.get(dataset_id), as_json=as_json)


@app.command()
def upload(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="A .csv with a header, a .zip of class-named folders of PNG or JPEG, an .npz of "
            "x and y, or a .jsonl of sequences.",
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="What to call it.", show_default="the file's name")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(help="csv, images, arrays or sequences.", show_default="by the suffix"),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Column of a CSV to predict.", show_default="the last one")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="regression, binary or multiclass.", show_default="by the values"),
    ] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Upload a dataset, and show what the service found in it."""
    with connect(url, api_key) as client:
        made = client.datasets.upload(file, name=name, kind=_kind(kind), target=target, task=task)
    _show(made, as_json=as_json)


@app.command()
def delete(dataset_id: DatasetId, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Delete an upload that no job uses."""
    with connect(url, api_key) as client:
        client.datasets.delete(dataset_id)
    typer.echo(f"deleted {dataset_id}")


def _kind(text: str | None) -> DatasetKind | None:
    if text is not None and text not in get_args(DatasetKind):
        kinds = ", ".join(get_args(DatasetKind))
        raise typer.BadParameter(f"--kind: expected one of {kinds}, got {text!r}")
    return cast(DatasetKind | None, text)


def _show(dataset: Dataset, *, as_json: bool) -> None:
    if as_json:
        print_json(dataset)
        return
    out = console.out()
    out.print(tables.datasets([dataset]))
    profile = dataset.get("profile") or {}
    counts = profile.get("class_counts") or dict.fromkeys(dataset["classes"] or ())
    if counts:
        out.print("\nclasses: " + escape(", ".join(map(_counted, counts.items()))))
    if "columns" in profile:
        out.print()
        out.print(tables.columns(profile))


def _counted(item: tuple[str, int | None]) -> str:
    name, count = item
    return name if count is None else f"{name} ({count})"
