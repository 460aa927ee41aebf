"""From an exception to a sentence and an exit code: nobody should read a traceback."""

from __future__ import annotations

from typing import Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from torchkiln.display import console
from torchkiln.errors import CannotRun, NotAllowed, Refused, TorchkilnError, Unreachable

FAILED = 1
UNREACHABLE = 3
REFUSED = 4
EPILOG = (
    "Exit status: 0 done; 1 it failed; 2 wrong usage; "
    f"{UNREACHABLE} no service answers; {REFUSED} the service refused."
)


class FriendlyGroup(TyperGroup):
    """Commands whose torchkiln errors become a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. `ctx` is typer's context, whose class typer keeps to itself."""
        try:
            return super().invoke(ctx)
        except TorchkilnError as error:
            explain(error)
            raise typer.Exit(exit_code(error)) from error


def exit_code(error: TorchkilnError) -> int:
    if isinstance(error, Unreachable):
        return UNREACHABLE
    return REFUSED if isinstance(error, Refused) else FAILED


def explain(error: TorchkilnError) -> None:
    """Say on stderr what went wrong, where, and what to do about it."""
    err = console.err()
    err.print(f"[bold red]torchkiln:[/] {escape(str(error))}", soft_wrap=True)
    if isinstance(error, Refused):
        for problem in error.errors:
            err.print(f"  [bold]{escape(problem.field)}[/]: {escape(problem.message)}")
        err.print(f"  [dim]{error.status} {escape(error.code)}[/]")
    if isinstance(error, NotAllowed):
        err.print("  give a key by --api-key or TORCHKILN_API_KEY (see `torchkiln keys create`)")
    if isinstance(error, Unreachable):
        err.print("  is the service running? `torchkiln up` starts one; --url names another")
    if isinstance(error, CannotRun) and error.log is not None:
        for line in error.said:
            err.print(f"  [dim]│[/] {escape(line)}", soft_wrap=True)
        err.print(f"  the whole log: {escape(str(error.log))}", soft_wrap=True)
