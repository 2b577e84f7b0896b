"""The command that compares threads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from stance.cli.flags import find_tables
from stance.cli.terminal import fail, show_progress
from stance.records import StanceError
from stance.report.comparison import PERMUTATIONS, SEED


def compare(
    tables: Annotated[list[Path], typer.Argument(help="Tables of `stance tag` or `report`, or folders of reports.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for the page and its tables.")],
    gold: Annotated[
        Path | None, typer.Option(help="A folder of `stance gold draw` with labels: shares are corrected.")
    ] = None,
    permutations: Annotated[
        int, typer.Option(min=99, max=1_000_000, help="How often authors are moved between threads.")
    ] = PERMUTATIONS,
    seed: Annotated[int, typer.Option(min=0, help="Of these permutations.")] = SEED,
    rank: Annotated[
        bool, typer.Option("--rank-authors-by-toxicity", help="Also name who drives differences in toxicity.")
    ] = False,
) -> None:
    """Compare threads: shares, differences, what drives them, on a page with tables; at least two threads."""
    from stance.report.comparison import Conduct, write_comparison

    paths = find_tables(tables)
    labels = None
    if gold is not None:
        from stance.gold.labels import read_gold

        labels = read_gold(gold, lambda line: typer.echo(f"stance: {line}", err=True))
    failed: list[StanceError] = []

    def report_failure(error: StanceError) -> None:
        failed.append(error)
        fail(error)

    conduct = Conduct(permutations, seed, rank)
    with show_progress("tables", len(paths)) as advance:

        def read_paths() -> Iterator[Path]:
            for number, path in enumerate(paths, start=1):
                yield path
                advance(number)

        page = write_comparison(read_paths(), output, labels, conduct, report_failure)
    typer.echo(page)
    if failed:
        raise typer.Exit(2)
