"""The command line: flags to one call to a print."""

from __future__ import annotations

import sys

import typer

from stance.cli.compare import compare
from stance.cli.gold import gold
from stance.cli.measure import audit, evaluate, selftest, train
from stance.cli.run import run
from stance.cli.serve import serve
from stance.cli.terminal import fail
from stance.cli.threads import read, report, tag
from stance.cli.triage import triage
from stance.records import StanceError

app = typer.Typer(
    help="Reads saved discussion threads and says who stands where.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a bug keeps its traceback
    rich_markup_mode=None,
)
for command in (report, compare, read, tag, run, serve, evaluate, selftest, audit, train):
    app.command()(command)
app.add_typer(gold, name="gold", help="Draw a sample for people to label, and use the labels.")
app.add_typer(triage, name="triage")


def main() -> None:
    """Run a command; a StanceError is one line on stderr and exit code 2."""
    try:
        app()
    except StanceError as error:
        fail(error)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(1)
