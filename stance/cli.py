"""The command line: flags to one call to a print."""

from __future__ import annotations

import itertools
import re
import sys
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stance.records import StanceError, Thread, Topic
from stance.tagger import SHIPPED

if TYPE_CHECKING:
    import pyarrow as pa

    from stance.measure.evaluate import Result
    from stance.read import Options
    from stance.tagger import Tagger

app = typer.Typer(
    help="Reads saved discussion threads and says who stands where.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a bug keeps its traceback
    rich_markup_mode=None,
)

TopicName = Annotated[str, typer.Option("--topic", help="A shipped topic or a TOML file with [[side]] entries.")]
TaggerName = Annotated[str, typer.Option("--tagger", help="A shipped one, a folder, hub:NAME or openai:URL#MODEL.")]
Data = Annotated[Path, typer.Option("--data", help="The folder of data sets (stance/, toxicity/, ... inside).")]

Format = Annotated[str | None, typer.Option("--format", help="text, page, rows, csv, reddit, ...; else by the file.")]
Layout = Annotated[str | None, typer.Option("--platform", help="Of a page its platform, of a text its layout.")]
ColumnNames = Annotated[
    list[str] | None, typer.Option("--column", help="Of a table: text=body, author=user, id=, time=, thread=.")
]
MaxSize = Annotated[int | None, typer.Option("--max-size", min=1, help="MB that are unpacked and read at most.")]

TOPIC = "karabakh-2020"
GOLD = Path("tests/gold/seed_labels.jsonl")
SEED = Path("seeds/karabakh-2020.txt")
MOST_NAME = 80  # characters of a folder's name; file systems take 255 bytes


def main() -> None:
    """Run a command; a StanceError is one line on stderr and exit code 2."""
    try:
        app()
    except StanceError as error:
        fail(error)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(1)


def fail(error: StanceError) -> None:
    typer.echo(f"stance: {' '.join(str(error).split())}", err=True)


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
def evaluate(
    suite: Annotated[Path | None, typer.Option(help="A folder of data sets; else the thread alone.")] = None,
    baseline: Annotated[bool, typer.Option("--baseline", help="With --suite: TF-IDF and VADER beside it.")] = False,
    floors: Annotated[Path | None, typer.Option(help="A JSON file of least values; exit code 1 under one.")] = None,
    pin: Annotated[bool, typer.Option("--pin", help="Raise the floors to what was measured.")] = False,
    allow_regression: Annotated[
        bool, typer.Option("--allow-regression", help="Also lower those that CHANGELOG.md gives a reason for.")
    ] = False,
    thread: Annotated[Path, typer.Option(help="A thread with gold labels.")] = SEED,
    gold: Annotated[Path, typer.Option(help="Its labels: JSON lines with number, stance, toxicity, sentiment.")] = GOLD,
    topic: TopicName = TOPIC,
    tagger: TaggerName = SHIPPED,
) -> None:
    """Measure a tagger on labelled texts: each figure with n and a 95% bootstrap interval."""
    from stance.measure.evaluate import evaluate_thread
    from stance.measure.floors import check_floors, pin_floors
    from stance.measure.suite import Remembered, evaluate_suite, keep_judged
    from stance.tagger import load_tagger
    from stance.thread import read_thread
    from stance.topic import load_topic

    if (pin and floors is None) or (baseline and suite is None):
        raise StanceError("--pin needs --floors FILE, --baseline needs --suite DIR: name them")
    failures: list[StanceError] = []

    def note(line: str | StanceError) -> None:
        if isinstance(line, StanceError):
            failures.append(line)
        typer.echo(f"stance: {line}", err=True)

    asked = Remembered(load_tagger(tagger))
    measured = evaluate_thread(asked, read_thread(thread), load_topic(topic), gold)
    results = list(keep_judged(asked, list(measured), note))
    print_results(results)
    for result in evaluate_suite(asked, suite, note) if suite is not None else ():
        print_results([result])
        results.append(result)
    if suite is not None and baseline:
        print_baselines(asked.name, results, suite, note)
    if failures:
        raise typer.Exit(2)
    if floors is not None:
        for line in pin_floors(results, floors, allow_regression, Path("CHANGELOG.md")) if pin else ():
            typer.echo(line)
        under = check_floors(results, floors)
        for line in under:
            typer.echo(line, err=True)
        raise typer.Exit(1 if under else 0)


def print_baselines(name: str, results: list[Result], suite: Path, note: Callable[[str | StanceError], None]) -> None:
    from stance.measure.baseline import evaluate_baselines
    from stance.measure.suite import compare_columns

    columns: dict[str, list[Result]] = {name: results, "TF-IDF": [], "VADER": []}
    for column, result in evaluate_baselines(suite, note):
        columns[column].append(result)
    typer.echo("")
    for line in compare_columns(columns):
        typer.echo(line)


@app.command()
def selftest(
    tagger: TaggerName = SHIPPED,
    failures: Annotated[bool, typer.Option("--failures", help="Also print each case that failed.")] = False,
) -> None:
    """Put a tagger through short cases of known behaviour (negation, irony, quotes, ...): what passed, by family."""
    from stance.measure.selftest import load_cases, plan_batches, run_selftest, summarise
    from stance.tagger import load_tagger

    total = sum(len(texts) for texts in plan_batches(load_cases()).values())
    with show_progress("cases", total) as advance:
        results = run_selftest(load_tagger(tagger), advance)
    for score in summarise(results):
        skipped = f"  {score.skipped} not judged" if score.skipped else ""
        share = f"{score.passed / score.n:.3f}  [{score.low:.3f}, {score.high:.3f}]" if score.n else "-"
        typer.echo(f"{score.name:28} {score.passed:4} of {score.n:<4} {share}{skipped}")
    for result in results if failures else ():
        for subject, accepted, got in result.misses:
            wanted = " or ".join(str(answer) for answer in accepted)
            typer.echo(f"line {result.case.line}, {result.case.family}: {subject}: {got}, not {wanted}")


@app.command()
def audit(
    data: Annotated[Path | None, typer.Option("--data", help="The folder of data sets; else plain sentences.")] = None,
    tagger: TaggerName = SHIPPED,
) -> None:
    """Ask whether a tagger treats sides alike: sides swapped, errors by side, plain sentences about each group."""
    from stance.measure.audit import audit_groups, audit_sets, summarise_groups
    from stance.tagger import load_tagger

    loaded = load_tagger(tagger)
    if data is not None:
        for result in audit_sets(loaded, data, fail):
            print_results([result])
    rows = audit_groups(loaded)
    print_results(list(summarise_groups(rows)))
    typer.echo(f"{'plain sentences about':26} {'n':>4}  as a stance  as toxic  mean probability of toxicity")
    for row in rows:
        typer.echo(f"{row.group:26} {row.n:4}  {row.stance:11.3f}  {row.toxic:8.3f}  {row.probability:28.3f}")


@app.command()
def train(
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="The new model folder.")],
    run: Annotated[Path, typer.Option(help="The folder of checkpoints; the same one goes on with a run.")],
    recipe: Annotated[Path | None, typer.Option(help="A recipe; else stance/train/recipe.toml.")] = None,
) -> None:
    """Train a tagger from data sets, on a CPU; a run that was cut off goes on where it was."""
    from stance.train import RECIPE, train_tagger

    typer.echo(train_tagger(data, output, run, recipe or RECIPE, lambda line: typer.echo(str(line), err=True)))


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


def read_options(form: str | None, layout: str | None, column: Sequence[str] | None, max_size: int | None) -> Options:
    """The flags about reading as one record."""
    from dataclasses import fields

    from stance.read import Columns, Options

    named = dict(pair.split("=", 1) for pair in column or () if "=" in pair)
    known = [field.name for field in fields(Columns)]
    if len(named) < len(column or ()) or not named.keys() <= {*known}:
        given = " ".join(column or ())
        raise StanceError(f"--column {given}: write PART=COLUMN, once each, PART being one of {', '.join(known)}")
    return Options(form, layout, Columns(**named), None if max_size is None else max_size * 2**20)


def list_files(paths: Sequence[Path]) -> list[Path]:
    """The files themselves, and the readable kinds in the folders, in order of name."""
    from stance.read import ENDINGS
    from stance.read.corpus import is_corpus

    found: list[Path] = []
    for path in paths:
        if path.is_dir() and not is_corpus(path):
            inside = sorted(file for file in path.iterdir() if file.suffix.lower() in ENDINGS and file.is_file())
            if not inside:
                raise StanceError(f"{path}: a folder without threads: put files ending in {', '.join(ENDINGS)} there")
            found += inside
        else:
            found.append(path)
    return found


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


if __name__ == "__main__":
    main()
