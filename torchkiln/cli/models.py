"""`torchkiln models`: what was published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer
from rich.markup import escape

from torchkiln.cli.options import DEFAULT_URL, ApiKey, AsJson, Limit, Url, connect, print_json
from torchkiln.display import console, tables
from torchkiln.display.progress import figures
from torchkiln.types import ModelVersion, TensorSpec

app = typer.Typer(no_args_is_help=True, help="Published models: versions, backends, aliases.")

Name = Annotated[str, typer.Argument(metavar="MODEL", help="The model's name.")]


@app.command("list")
def list_models(
    limit: Limit = 50, as_json: AsJson = False, url: Url = DEFAULT_URL, api_key: ApiKey = None
) -> None:
    """List models with their aliases."""
    with connect(url, api_key) as client:
        models = client.models.list(limit=limit)
    if as_json:
        print_json(models)
    else:
        console.out().print(tables.models(models))


@app.command()
def show(
    name: Name,
    version: Annotated[str, typer.Option(help="Number or alias.")] = "champion",
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Show one version: signature, metrics, parity certificates, files."""
    with connect(url, api_key) as client:
        found = client.models.version(name, version)
        files = client.models.files(name, found["version"])
    if as_json:
        print_json({**found, "files": files})
        return
    out = console.out()
    for line in describe(found):
        out.print(line)
    out.print()
    out.print(tables.certificates(found))
    out.print()
    out.print(tables.files(files))


@app.command()
def summary(
    model: Annotated[str, typer.Argument(metavar="MODEL[@VERSION]", help="A number or an alias.")],
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Print the architecture: every module with its output's shape and its parameters."""
    name, at, version = model.partition("@")
    with connect(url, api_key) as client:
        found = client.models.summary(name, version if at else "champion")
    if as_json:
        print_json(found)
    else:
        typer.echo(found["text"])


@app.command("import")
def import_version(
    name: Name,
    file: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, help="An .onnx, or a .safetensors with --architecture."
        ),
    ],
    architecture: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A version's architecture.json."),
    ] = None,
    signature: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A version's signature.json.")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Names of the classes in order: cat,dog or a JSON list.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="Such as regression.", show_default="multiclass if there are classes"),
    ] = None,
    promote: Annotated[str, typer.Option(help="never, always or if_better.")] = "never",
    lineage: Annotated[str | None, typer.Option(help="Where the model comes from.")] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Import a model that was trained elsewhere; it is checked and certified first."""
    with connect(url, api_key) as client:
        made = client.models.import_version(
            name,
            file,
            task=task,
            classes=None if classes is None else _names(classes),
            architecture=_object(architecture),
            signature=_object(signature),
            promote=cast(Literal["never", "always", "if_better"], promote),
            lineage=lineage,
        )
    if as_json:
        print_json(made)
        return
    out = console.out()
    for line in describe(made):
        out.print(line)
    out.print()
    out.print(tables.certificates(made))


@app.command()
def alias(
    name: Name,
    alias_name: Annotated[str, typer.Argument(metavar="ALIAS", help="Such as champion.")],
    version: Annotated[int, typer.Argument(help="Number of the version.")],
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Point an alias at a version; `champion` is what is served by default."""
    with connect(url, api_key) as client:
        client.models.set_alias(name, alias_name, version)
    typer.echo(f"{name}@{alias_name} → {version}")


def describe(version: ModelVersion) -> list[str]:
    """A version in a few lines of markup: name, tensors, metrics."""
    aliases = ", ".join(version["aliases"])
    lines = [
        f"[bold]{version['name']}@{version['version']}[/]" + (f"  ({aliases})" * bool(aliases))
    ]
    lines.append(f"  takes   {_tensors(version['signature']['inputs'])}")
    lines.append(f"  gives   {_tensors(version['signature']['outputs'])}")
    if version["classes"]:
        lines.append(f"  classes {escape(', '.join(version['classes']))}")
    lines.append(f"  metrics {figures(version['metrics'], limit=8)}")
    return lines


def _tensors(specs: list[TensorSpec]) -> str:
    return ", ".join(
        f"{escape(spec['name'])} {spec['datatype']} {escape(str(spec['shape']))}" for spec in specs
    )


def _names(text: str) -> list[str]:
    """A JSON list, or names between commas."""
    if not text.lstrip().startswith("["):
        return [name.strip() for name in text.split(",")]
    found = _parsed(text, "--classes")
    if not isinstance(found, list):
        raise typer.BadParameter(f"--classes: expected a list, got {text!r}")
    return [str(name) for name in cast(list[object], found)]


def _object(file: Path | None) -> dict[str, Any] | None:
    if file is None:
        return None
    found = _parsed(file.read_bytes(), file.name)
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{file.name}: expected a JSON object")
    return cast(dict[str, Any], found)


def _parsed(text: str | bytes, where: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"{where}: expected JSON: {error}") from None
