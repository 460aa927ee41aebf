"""`python -m torchkiln` is the `torchkiln` command."""

from torchkiln.cli import app

app(prog_name="torchkiln")
