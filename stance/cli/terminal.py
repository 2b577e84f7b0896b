"""What a command prints: errors, results, progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from stance.records import StanceError

if TYPE_CHECKING:
    from stance.measure.evaluate import Result


def fail(error: StanceError) -> None:
    typer.echo(f"stance: {' '.join(str(error).split())}", err=True)


def warn(line: str) -> None:
    typer.echo(f"stance: {line}", err=True)


def print_results(results: Sequence[Result]) -> None:
    for result in results:
        found = result.measured
        interval = f"  [{found.low:.3f}, {found.high:.3f}]" if found.low == found.low else ""
        typer.echo(f"{result.name:28} {result.measure:44} {found.value:.4f}{interval:18}  n={found.n}")


@contextmanager
def show_progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, in a terminal only; what is yielded takes how many are done. One at a time."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
