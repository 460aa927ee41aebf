"""`torchkiln demo`: the main job from training to traffic, on a stack of its own."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from torchkiln.client import Client
from torchkiln.demo.stack import running
from torchkiln.demo.steps import Demo
from torchkiln.display.console import err, out
from torchkiln.errors import TorchkilnError
from torchkiln.supervisor import logs

NEXT_STEPS = """
[bold]Next[/]
  [cyan]torchkiln up --data-dir {data_dir}[/]
      serve on with what this demo has trained; every endpoint, to try in the browser:
      http://127.0.0.1:8000/docs
  [cyan]make up[/]
      a service with a data directory of its own
  [cyan]torchkiln --help[/]
      pipelines, jobs, models, predict, benchmarks, keys"""


def run(data_dir: Path) -> None:
    """Start, show every step, stop. Raises `TorchkilnError` if anything does not work."""
    console = out()
    console.print(f"starting the stack (logs: {escape(str(data_dir / 'logs'))})", soft_wrap=True)
    with running(data_dir) as url:
        console.print(f"broker, API and worker run; the API is at {url}, its pages at {url}/docs")
        try:
            with Client(url) as client:
                Demo(client, console, data_dir).run()
        except TorchkilnError:
            _show_logs(err(), data_dir / "logs")
            raise
    console.print(NEXT_STEPS.format(data_dir=escape(str(data_dir))), soft_wrap=True)
    console.print("\n[green]the demo is done; everything is stopped[/]")


def _show_logs(console: Console, directory: Path) -> None:
    """Before the stack is stopped, whose parting words would hide the cause."""
    for log in sorted(directory.glob("*.log")):
        console.print(f"[bold]{escape(str(log))}[/], the end of it:", soft_wrap=True)
        for line in logs.tail(log):
            console.print(f"  [dim]│[/] {escape(line)}", soft_wrap=True)
