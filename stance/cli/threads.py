"""The commands over threads: report, read, tag."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from stance.cli.batch import Batch, Source, make_tables, rename_tables
from stance.cli.flags import (
    TOPIC,
    ColumnNames,
    Format,
    GoldFolder,
    KeyFile,
    Layout,
    MaxSize,
    TaggerName,
    TopicName,
    list_files,
    read_options,
)
from stance.cli.terminal import show_progress, warn
from stance.records import StanceError, Thread, Topic
from stance.tagger import SHIPPED


def report(
    files: Annotated[
        list[Path], typer.Argument(help="Saved threads, folders of them, or tables of `stance tag` (.parquet).")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for the pages; one folder a thread.")],
    topic: TopicName = TOPIC,
    tagger: TaggerName = SHIPPED,
    form: Format = None,
    layout: Layout = None,
    column: ColumnNames = None,
    max_size: MaxSize = None,
    gold: GoldFolder = None,
    calibration: Annotated[Path | None, typer.Option(help="A file of `stance gold fit`, for better labels.")] = None,
    pseudonyms: KeyFile = None,
    no_text: Annotated[bool, typer.Option("--no-text", help="Leave out the words of posts and article.")] = False,
    rank: Annotated[
        bool, typer.Option("--rank-authors-by-toxicity", help="Also rank named authors by share of toxic posts.")
    ] = False,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also print each page, as report.pdf.")] = False,
) -> None:
    """Read, tag and report threads: a page each with tables and figures, and an index over several.

    Tables that this program made are not tagged again.
    """
    from stance.gold.fit import read_calibration
    from stance.gold.labels import read_gold
    from stance.pseudonyms import read_key
    from stance.report.page import Choices
    from stance.report.pdf import check_printer
    from stance.topic import load_topic

    options = read_options(form, layout, column, max_size)
    source = Source(options, load_topic(topic), tagger)
    paths = list_files(files)
    if pdf:
        check_printer(output)
    if not all(source.is_tagged(path) for path in paths):
        source.load()
    batch = Batch(
        output,
        Choices(text=not no_text, rank=rank, pdf=pdf),
        None if gold is None else read_gold(gold, warn),
        None if calibration is None else read_calibration(calibration),
        None if pseudonyms is None else read_key(pseudonyms),
    )
    with show_progress("files", len(paths)) as advance:
        for number, path in enumerate(paths, start=1):
            with batch.catch(str(path)):
                for table in source.open_tables(path):
                    batch.add(table)
            advance(number)
    batch.finish()
    if batch.failures:
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
    pseudonyms: KeyFile = None,
) -> None:
    """Tag posts with stance toward each side, toxicity and sentiment, and write a table.

    From .jsonl to .jsonl each row stands alone; everything else is read as threads.
    """
    from stance.pseudonyms import read_key
    from stance.table import join_tables, write_table
    from stance.tagger import load_tagger
    from stance.topic import load_topic

    sides = load_topic(topic)
    if file.suffix == ".jsonl" and output.suffix == ".jsonl":
        if pseudonyms is not None:
            raise StanceError(f"{file}: rows {{id, text}} name no author, so there is nothing for --pseudonyms to do.")
        tag_rows(file, output, sides, tagger)
    else:
        options = read_options(form, layout, column, max_size)
        key = None if pseudonyms is None else read_key(pseudonyms)
        with show_progress(f"posts of {file.name}", None) as advance:
            tables = list(make_tables(file, options, sides, load_tagger(tagger), advance))
            write_table(join_tables(tables if key is None else rename_tables(tables, key)[0]), output)


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


def tag_rows(file: Path, output: Path, topic: Topic, tagger: str) -> None:
    """The contract for scripts: a row out for each row in, in order."""
    import hashlib
    from dataclasses import replace

    from stance.read import read_rows
    from stance.table import make_manifest, post_row, write_rows
    from stance.tag import tag_posts
    from stance.tagger import load_tagger
    from stance.thread import read_each

    rows, loaded = read_rows(file), load_tagger(tagger)
    with show_progress(f"rows of {file.name}", len(rows)) as advance:
        posts = read_each([text for _, text in rows])
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
