"""The command for whole archives: run."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stance.cli.flags import (
    TOPIC,
    ColumnNames,
    Format,
    Layout,
    MaxSize,
    TaggerName,
    TopicName,
    read_options,
)
from stance.cli.terminal import warn
from stance.records import StanceError
from stance.tagger import SHIPPED

if TYPE_CHECKING:
    from stance.run.plan import Settings, Unit
    from stance.run.work import News, Report, Summary

ENGINES = ("processes", "ray")


def run(
    inputs: Annotated[
        list[Path], typer.Argument(help="Saved threads, exports, ConvoKit folders, and folders of them at any depth.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for the tables; it follows the inputs.")],
    topic: TopicName = TOPIC,
    tagger: TaggerName = SHIPPED,
    form: Format = None,
    layout: Layout = None,
    column: ColumnNames = None,
    max_size: MaxSize = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that tag; else one a core.")] = None,
    shard_size: Annotated[int, typer.Option("--shard-size", min=1, help="Posts from which a shard is full.")] = 10_000,
    shard: Annotated[
        str | None, typer.Option("--shard", help="i/n: the i-th of n shares of the work, whole files.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep no file of what texts got.")] = False,
    engine: Annotated[str, typer.Option(help="processes on this machine, or ray.")] = ENGINES[0],
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster; else one on this machine.")] = None,
) -> None:
    """Read and tag any number of posts into Parquet tables, and go on where it stopped.

    Run it again after whatever ended it. What is done is not done again, changed inputs are, and the tables of inputs
    that are not named any more are removed.
    """
    from stance.run import run_inputs
    from stance.run.plan import make_settings
    from stance.topic import load_topic

    share = read_share(shard)
    if engine not in ENGINES:
        raise StanceError(f"--engine {engine}: no such engine: use {' or '.join(ENGINES)}")
    if address is not None and engine != "ray":
        raise StanceError(f"--address {address}: only --engine ray has one")
    options = read_options(form, layout, column, max_size)
    settings = make_settings(output, load_topic(topic), tagger, options, shard_size, not no_cache)

    def work(units: Sequence[Unit], settings: Settings, report: Report) -> Summary:
        from stance.run.local import count_cores, run_local

        if engine == "ray":
            from stance.run.cluster import run_ray

            return run_ray(units, settings, workers, report, address)
        return run_local(units, settings, workers or count_cores(), report)

    start = time.monotonic()
    try:
        with show_news() as report:
            summary = run_inputs(inputs, settings, work, report, share)
    except KeyboardInterrupt:
        warn(f"{output}: stopped: run the same command again to go on")
        raise typer.Exit(130) from None
    print_summary(summary, output, time.monotonic() - start)
    if summary.failed or summary.unreadable:
        raise typer.Exit(1)


def read_share(text: str | None) -> tuple[int, int]:
    """The i and the n of "i/n"; 1 and 1 of None."""
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text or "1/1")
    share = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= share[0] <= share[1]:
        raise StanceError(f"--shard {text}: write i/n, i from 1 to n, e.g. 1/16")
    return share


@contextmanager
def show_news() -> Iterator[Report]:
    """What takes the news of a run: lines go to stderr, and in a terminal posts, rate, share and time left as well."""
    if not sys.stderr.isatty():

        def tell(news: News) -> None:
            if news.line is not None:
                warn(news.line)

        yield tell
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=1.0)
        start, posts, share = time.monotonic(), 0, 0.0

        def show(news: News) -> None:
            nonlocal posts, share
            posts, share = posts + news.posts, max(share, news.share or 0.0)
            if news.line is not None:
                bar.console.print(f"stance: {news.line}", markup=False, highlight=False, soft_wrap=True)
            bar.update(task, completed=share, description=describe_pace(posts, share, time.monotonic() - start))

        yield show


def describe_pace(posts: int, share: float, seconds: float) -> str:
    """Posts, their rate, and the time left where a share of the input is done."""
    said = f"{posts:,} posts, {posts / max(seconds, 1e-9):,.0f} a second"
    if not 0 < share < 1:
        return said
    left = round(seconds * (1 - share) / share)
    return f"{said}, {left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"


def print_summary(summary: Summary, output: Path, seconds: float) -> None:
    shards = [f"{summary.made} shards made", f"{summary.kept} already there"]
    shards += [f"{summary.failed} failed"] if summary.failed else []
    shards += [f"{summary.removed} removed"] if summary.removed else []
    typer.echo(", ".join(shards))
    held = f"{summary.threads:,} threads, {summary.posts:,} posts, {summary.rejects:,} rejects"
    typer.echo(f"{held}, {summary.unreadable:,} of them inputs" if summary.unreadable else held)
    if summary.made:
        rate = summary.fresh_posts / max(seconds, 1e-9)
        typer.echo(f"{summary.texts:,} texts tagged, {summary.cached:,} of them known from the cache")
        typer.echo(f"{seconds:.1f} seconds, {rate:,.0f} posts a second")
    elif not summary.failed:
        typer.echo("nothing to do")
    typer.echo(output / "tags")
