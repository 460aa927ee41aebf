"""`torchkiln predict`: one prediction from a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, cast

import orjson
import typer

from torchkiln.cli.options import DEFAULT_URL, ApiKey, Url, connect, print_json
from torchkiln.client import Client
from torchkiln.types import Prediction

IMAGES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}


def predict(
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A .json of rows (a list, or {'inputs': […]}), .csv, .png or .jpg; - is JSON "
            "from stdin.",
        ),
    ],
    version: Annotated[
        str | None, typer.Option(help="Number or alias.", show_default="champion")
    ] = None,
    backend: Annotated[
        str, typer.Option(help="auto, eager, torchscript, onnxruntime, torchexport, …")
    ] = "auto",
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Predict what is in a file, and print the answer as JSON."""
    with connect(url, api_key) as client:
        print_json(_predict(client, model, source, version, backend))


def _predict(
    client: Client, model: str, source: Path, version: str | None, backend: str
) -> Prediction:
    kind = source.suffix.lower()
    content = _read(source)
    if kind in IMAGES:
        return client.predict_image(
            model, content, media_type=IMAGES[kind], version=version, backend=backend
        )
    if kind == ".csv":
        return client.predict_csv(model, content, version=version, backend=backend)
    return client.predict(model, _rows(source, content), version=version, backend=backend)


def _read(source: Path) -> bytes:
    if str(source) == "-":
        return sys.stdin.buffer.read()
    try:
        return source.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {source}: {error.strerror}") from error


def _rows(source: Path, content: bytes) -> list[Any]:
    try:
        value: object = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise typer.BadParameter(f"{source} is not JSON: {error}") from error
    if isinstance(value, dict):
        value = cast(dict[str, object], value).get("inputs")
    if not isinstance(value, list):
        raise typer.BadParameter(f"{source}: expected a list of rows, or an object with `inputs`")
    return cast(list[Any], value)
