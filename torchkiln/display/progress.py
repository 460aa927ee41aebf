"""A job while it runs: a live bar in a terminal, plain lines anywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from torchkiln.client import Client
from torchkiln.types import Event, Job

SHOWN_METRICS = 4
QUIET = frozenset({"debug"})
STYLES = {"warning": "yellow", "error": "red"}


class View(Protocol):
    """Shows events; entered while it does."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def show(self, event: Event) -> None: ...


def watch(client: Client, job_id: str, console: Console) -> Job:
    """Show a job's events as they come, until it has ended. → the job."""
    view: View = LiveView(console) if console.is_terminal else PlainView(console)
    with view:
        for event in client.jobs.events(job_id):
            view.show(event)
    return client.jobs.get(job_id)


def figures(values: Mapping[str, Any], limit: int = SHOWN_METRICS) -> str:
    """`train_loss 0.3121  test_accuracy 0.9750`, the first few."""
    numbers = {key: value for key, value in values.items() if isinstance(value, int | float)}
    return "  ".join(f"{key} {_figure(value)}" for key, value in list(numbers.items())[:limit])


def _figure(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4f}"


class LiveView:
    """One bar over the epochs, with the latest figures below it and the log above it.

    Checkpoints and artifacts are not told: there is nothing to do about them while it runs.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            TextColumn("epoch"),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self._task = self._progress.add_task("queued", total=None)
        # On a line of their own, because beside the bar they would not fit a narrow terminal.
        self._figures = Text(style="cyan", no_wrap=True, overflow="ellipsis")
        self._live = Live(Group(self._progress, self._figures), console=console)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, event: Event) -> None:
        data = event["data"]
        if event["type"] == "metrics":
            epoch, epochs = data.get("epoch"), data.get("epochs")
            self._progress.update(self._task, completed=epoch, total=epochs)
            if epoch == epochs:  # plots and publishing are still to come
                self._progress.update(self._task, description="finishing")
            self._figures.plain = f"  {figures(data.get('values', {}))}"
        elif event["type"] == "status":
            self._progress.update(self._task, description=escape(event["message"]))
        elif event["type"] == "log" and event["level"] not in QUIET:
            self._live.console.print(_line(event))


class PlainView:
    """One line an event."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to take down."""

    def show(self, event: Event) -> None:
        if event["level"] in QUIET:
            return
        data = event["data"]
        if event["type"] == "metrics":
            line = f"epoch {data.get('epoch')}/{data.get('epochs')}  "
            self._console.print(line + figures(data.get("values", {})))
        else:
            self._console.print(_line(event))


def _line(event: Event) -> str:
    style = STYLES.get(event["level"], "dim")
    return f"[{style}]{event['type']}: {escape(event['message'])}[/]"
