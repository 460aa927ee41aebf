"""The `torchkiln` command: a table of commands, one file each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from torchkiln.cli import (
    benchmarks,
    datasets,
    demo,
    jobs,
    keys,
    models,
    pipelines,
    predict,
    service,
)
from torchkiln.cli.failures import EPILOG, FriendlyGroup

RUN = "Run the service"
USE = "Use a service"

COMMANDS: tuple[tuple[Callable[..., Any], str], ...] = (
    (service.up, RUN),
    (service.api, RUN),
    (service.worker, RUN),
    (demo.demo, RUN),
    (pipelines.pipelines, USE),
    (predict.predict, USE),
)

GROUPS: tuple[tuple[str, typer.Typer, str], ...] = (
    ("keys", keys.app, RUN),
    ("datasets", datasets.app, USE),
    ("jobs", jobs.app, USE),
    ("models", models.app, USE),
    ("benchmarks", benchmarks.app, USE),
)

app = typer.Typer(
    name="torchkiln",
    cls=FriendlyGroup,
    help="Take a PyTorch model from training to traffic.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
for _command, _panel in COMMANDS:
    app.command(rich_help_panel=_panel)(_command)
for _name, _group, _panel in GROUPS:
    app.add_typer(_group, name=_name, rich_help_panel=_panel)
