"""The commands over threads: report, read, tag."""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
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
    list_files,
    read_options,
)
from stance.cli.terminal import fail, show_progress
from stance.records import StanceError, Thread, Topic
from stance.tagger import SHIPPED

if TYPE_CHECKING:
    import pyarrow as pa

    from stance.read import Options
    from stance.tagger import Tagger

MOST_NAME = 80  # characters of a folder's name; file systems take 255 bytes


def report(
    files: Annotated[list[Path], typer.Argument(help="Saved threads, or a folder of them.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for the pages; one folder a thread.")],
    topic: TopicName = TOPIC,
    tagger: TaggerName = SHIPPED,
    form: Format = None,
    layout: Layout = None,
    column: ColumnNames = None,
    max_size: MaxSize = None,
) -> None:
    """Read, tag and report threads: a page each with tables and figures, and an index over several."""
    from stance.report import write_index, write_report
    from stance.table import read_manifest
    from stance.tagger import load_tagger
    from stance.topic import load_topic

    sides, paths, options = load_topic(topic), list_files(files), read_options(form, layout, column, max_size)
    loaded = load_tagger(tagger)
    made: dict[str, pa.Table] = {}  # by the name of the folder
    failures: list[tuple[str, str]] = []
    with show_progress("files", len(paths)) as advance:
        for number, path in enumerate(paths, start=1):
            try:
                for table in make_tables(path, options, sides, loaded):
                    name = name_folder(read_manifest(table).thread_id, made)
                    write_report(table, output / name)
                    made[name] = table
            except StanceError as error:
                fail(error)
                failures.append((str(path), str(error)))
            advance(number)
    if made and len(made) + len(failures) > 1:
        write_index([(table, output / name) for name, table in made.items()], failures, output)
        typer.echo(output / "index.html")
    for name in made:
        typer.echo(output / name / "index.html")
    if failures:
        raise typer.Exit(2)


def read(
    file: Annotated[Path, typer.Argument(help="A saved thread, an export, or a ConvoKit folder.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A .json, a .jsonl (a thread a line) or a ConvoKit folder.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say how it was read, and how surely.")] = False,
    form: Format = None,
    layout: Layout = None,
    column: ColumnNames = None,
    max_size: MaxSize = None,
) -> None:
    """Read threads into posts with authors, quotes and replies, and write them."""
    from stance.thread import read_threads, write_threads

    found = read_threads(file, read_options(form, layout, column, max_size))
    shown = show_threads(found, file, explain)
    if output is not None:
        write_threads(shown, output)
    else:
        deque(shown, maxlen=0)


def tag(
    file: Annotated[Path, typer.Argument(help="A saved thread, or a .jsonl of rows {id, text}, each its own post.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A .jsonl, .csv or .parquet file.")],
    topic: TopicName = TOPIC,
    tagger: TaggerName = SHIPPED,
    form: Format = None,
    layout: Layout = None,
    column: ColumnNames = None,
    max_size: MaxSize = None,
) -> None:
    """Tag posts with stance toward each side, toxicity and sentiment, and write a table.

    From .jsonl to .jsonl each row stands alone; everything else is read as threads.
    """
    from stance.table import join_tables, write_table
    from stance.tagger import load_tagger
    from stance.topic import load_topic

    sides = load_topic(topic)
    if file.suffix == ".jsonl" and output.suffix == ".jsonl":
        tag_rows(file, output, sides, tagger)
    else:
        with show_progress(f"posts of {file.name}", None) as advance:
            options = read_options(form, layout, column, max_size)
            write_table(join_tables(list(make_tables(file, options, sides, load_tagger(tagger), advance))), output)


def show_threads(threads: Iterable[Thread], file: Path, explain: bool) -> Iterator[Thread]:
    """The threads as they are, each told of in a line and its warnings on stderr."""
    from stance.read.explain import explain_thread

    for thread in threads:
        for warning in thread.warnings:
            typer.echo(f"{file}: {warning}", err=True)
        named = sum(post.author is not None for post in thread.posts)
        quotes = sum(len(post.quotes) for post in thread.posts)
        replies = sum(post.reply_to is not None for post in thread.posts)
        counts = f"{len(thread.posts)} posts, {named} with a name, {quotes} quotes, {replies} replies"
        typer.echo(f"{' '.join((thread.title or thread.id).split())}: {counts}")
        if thread.gaps:
            typer.echo(f"missing numbers: {', '.join(thread.gaps)}")
        for line in explain_thread(thread) if explain else ():
            typer.echo(f"  {line}")
        yield thread


def name_folder(thread: str, taken: Container[str]) -> str:
    """A folder's name for a thread's id, with a number behind it where another thread has that name."""
    plain = re.sub(r"[^\w.-]+", "-", thread)[:MOST_NAME].strip(".-") or "thread"
    names = itertools.chain([plain], (f"{plain}-{count}" for count in itertools.count(2)))
    return next(name for name in names if name not in taken)


def make_tables(
    path: Path, options: Options, topic: Topic, tagger: Tagger, advance: Callable[[int], None] | None = None
) -> Iterator[pa.Table]:
    """Read and tag the threads of a file; ``advance`` hears how many texts of a thread are tagged."""
    from stance.table import build_table, make_manifest
    from stance.tag import tag_thread
    from stance.thread import read_threads

    for thread in read_threads(path, options):
        tags, article = tag_thread(thread, topic, tagger, advance)
        yield build_table(thread, tags, article, make_manifest(tagger, topic))


def tag_rows(file: Path, output: Path, topic: Topic, tagger: str) -> None:
    """The contract for scripts: a row out for each row in, in order."""
    import hashlib
    from dataclasses import replace

    from stance.read import read_rows
    from stance.table import make_manifest, post_row, write_rows
    from stance.tag import tag_posts
    from stance.tagger import load_tagger
    from stance.thread import read_alone

    rows, loaded = read_rows(file), load_tagger(tagger)
    with show_progress(f"rows of {file.name}", len(rows)) as advance:
        posts = [read_alone(text) for _, text in rows]
        tags = tag_posts(posts, topic, loaded, advance)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    manifest = replace(make_manifest(loaded, topic), source=str(file), source_sha256=digest)
    write_rows(
        (
            post_row(name, post, tag, topic.sides, manifest.run)
            for (name, _), post, tag in zip(rows, posts, tags, strict=True)
        ),
        output,
    )
