"""`torchkiln pipelines`: what can be trained."""

from __future__ import annotations

from typing import Annotated

import typer

from torchkiln.cli.options import DEFAULT_URL, ApiKey, AsJson, Url, connect, print_json
from torchkiln.display import console, tables


def pipelines(
    name: Annotated[
        str | None, typer.Argument(metavar="[PIPELINE]", help="Show this one's params.")
    ] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """List the pipelines, or the params of one."""
    out = console.out()
    with connect(url, api_key) as client:
        if name is None:
            found = client.pipelines()
            print_json(found) if as_json else out.print(tables.pipelines(found))
            return
        pipeline = client.pipeline(name)
    if as_json:
        print_json(pipeline)
    else:
        out.print(tables.pipelines([pipeline]))
        out.print()
        out.print(tables.params(pipeline.get("params_schema", {})))
