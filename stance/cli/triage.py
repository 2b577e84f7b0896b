"""The commands about moderation: ``stance triage TAGS`` and what goes with it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from stance.cli.terminal import fail
from stance.records import StanceError

if TYPE_CHECKING:
    import sqlite3

    from stance.triage.queue import Plan

DATABASE = Path("triage.sqlite")
PORT = 8470


class ServeUnlessNamed(TyperGroup):
    """``stance triage TAGS`` is ``stance triage serve TAGS``, with ``--html`` ``queue``: no second word is needed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            page = any(one.partition("=")[0] == "--html" for one in args)
            args = ["queue" if page else "serve", *args]
        return super().parse_args(ctx, args)


triage = typer.Typer(
    cls=ServeUnlessNamed,
    no_args_is_help=True,
    help="Rank tagged posts for moderators and keep their decisions. With tables alone: build the queue, open it.",
    rich_markup_mode=None,
)

Tables = Annotated[list[Path], typer.Argument(help="Tables of `stance tag`, or folders of reports.")]
MoreTables = Annotated[list[Path] | None, typer.Argument(help="Tables to add first; none: go on with the queue.")]
Database = Annotated[Path, typer.Option("--db", help="The queue and its decisions; made where there is none.")]
Capacity = Annotated[int, typer.Option(help="Posts to show, gravest first; audits included, repeats count once.")]
Audit = Annotated[float, typer.Option(help="Share of all other posts that is shown at random, to count misses.")]
Second = Annotated[float, typer.Option(help="Share of the queue that two moderators decide, each alone.")]
Seed = Annotated[int, typer.Option(help="Of the random draws.")]
Precision = Annotated[
    float | None, typer.Option("--target-precision", help="Call posts likely from where this share is acted on.")
]
Recall = Annotated[
    float | None, typer.Option("--target-recall", help="Review posts from where this share of toxic ones is found.")
]
PolicyFile = Annotated[Path | None, typer.Option("--policy", help="Your rules, in Markdown; else a short text.")]


@triage.command()
def queue(
    tags: Tables,
    db: Database = DATABASE,
    capacity: Capacity = 50,
    audit: Audit = 0.05,
    second: Second = 0.0,
    seed: Seed = 1,
    target_precision: Precision = None,
    target_recall: Recall = None,
    html: Annotated[Path | None, typer.Option("--html", help="Also write the open posts as one page.")] = None,
    policy: PolicyFile = None,
) -> None:
    """Build the queue, or add tables to it, without opening it."""
    from stance.triage.page import read_policy, write_file_page
    from stance.triage.queue import Plan
    from stance.triage.store import open_store

    store, rules = open_store(db), read_policy(policy)
    add_tables(store, tags, Plan(capacity, audit, second, seed))
    set_goals(store, target_precision, target_recall)
    if html is not None:
        from stance.html import write_file

        write_file(html, write_file_page(store, rules))
        typer.echo(html)


@triage.command()
def serve(
    tags: MoreTables = None,
    db: Database = DATABASE,
    capacity: Capacity = 50,
    audit: Audit = 0.05,
    second: Second = 0.0,
    seed: Seed = 1,
    target_precision: Precision = None,
    target_recall: Recall = None,
    policy: PolicyFile = None,
    moderator: Annotated[str, typer.Option(help="The name in the sign-in form; else the user's.")] = "",
    host: Annotated[str, typer.Option(help="Where to listen; off this machine only with --key-file.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = PORT,
    key_file: Annotated[Path | None, typer.Option(help="A file with an access key, 16 characters or more.")] = None,
    allow_host: Annotated[list[str] | None, typer.Option(help="A name that browsers may call this machine.")] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Open the queue in a browser: one post at a time, decided by keys. Tables are added first."""
    from stance.triage.app import Desk, make_app
    from stance.triage.guard import LOOPBACK
    from stance.triage.page import read_policy
    from stance.triage.queue import Plan
    from stance.triage.store import open_store

    key = read_key(key_file)
    if host not in LOOPBACK and key is None:
        raise StanceError(f"--host {host}: other machines could read and decide posts. Name a --key-file too.")
    if not tags and not db.is_file():
        raise StanceError(f"{db}: no queue here yet. Name tables: stance triage TAGS")
    store, rules = open_store(db), read_policy(policy)
    if tags:
        add_tables(store, tags, Plan(capacity, audit, second, seed))
    set_goals(store, target_precision, target_recall)
    desk = Desk(store, rules, moderator or name_user(), key)
    run_server(make_app(desk, (*LOOPBACK, host, *(allow_host or ()))), host, port, browser)


@triage.command(name="import")
def import_file(
    files: Annotated[list[Path], typer.Argument(help="Files that a one-file page saved.")],
    db: Database = DATABASE,
) -> None:
    """Add the decisions that one-file pages saved; a file read twice adds nothing."""
    from stance.triage.transfer import import_decisions

    store, failed = open_existing(db), False
    for file in files:
        try:
            done = import_decisions(store, file)
            typer.echo(f"{file}: {done.added} decisions added, {done.known} there already")
        except StanceError as error:
            fail(error)
            failed = True
    if failed:
        raise typer.Exit(2)


@triage.command()
def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="A .jsonl or .csv file.")],
    db: Database = DATABASE,
) -> None:
    """Write the whole log of decisions: who, when, what, and what the tagger said."""
    from stance.triage.transfer import export_decisions

    count = export_decisions(open_existing(db), output)
    typer.echo(f"{output}: {count} rows")


@triage.command()
def gold(
    output: Annotated[Path, typer.Option("--output", "-o", help="The new gold folder.")],
    db: Database = DATABASE,
    seed: Seed = 1,
) -> None:
    """Write decisions as gold labels of toxicity, with the chance of each post, for `stance gold` and reports."""
    from stance.gold.labels import write_gold
    from stance.triage.transfer import make_gold

    made = make_gold(open_existing(db), seed, lambda line: typer.echo(f"stance: {line}", err=True))
    write_gold(output, made)
    typer.echo(f"{output}: {len(made.labels)} labels of {len(made.coders)} moderators")


@triage.command()
def metrics(db: Database = DATABASE) -> None:
    """Say how good the queue is so far: precision by band, what it misses, agreement, pace."""
    from stance.triage.goals import describe_goal, describe_rate
    from stance.triage.metrics import measure_queue

    found = measure_queue(open_existing(db))
    typer.echo(f"{found.decided} of {found.items} posts decided, {found.skipped} only skipped, {found.undone} undone")
    for band, rate in found.precision.items():
        typer.echo(f"{band:8} acted on {describe_rate(rate)}  n={rate.n}")
    typer.echo(f"found so far, of all that would be acted on: {describe_rate(found.found)}")
    alpha = "cannot be told" if found.agreement is None else f"{found.agreement:.3f}"
    typer.echo(f"agreement, Krippendorff's alpha: {alpha}  n={found.shared}")
    for one in found.moderators:
        pace = "" if one.per_hour is None else f", {one.per_hour:.0f} an hour"
        typer.echo(f"{one.name}: {one.decisions} decided, {one.skipped} skipped{pace}")
    for goal in found.goals:
        typer.echo(describe_goal(goal))


def open_existing(db: Path) -> sqlite3.Connection:
    from stance.triage.store import open_store

    if not db.is_file():
        raise StanceError(f"{db}: no such queue. Name it with --db, or make one with stance triage queue TAGS.")
    return open_store(db)


def add_tables(store: sqlite3.Connection, tags: list[Path], plan: Plan) -> None:
    """Put the tables that are not in the queue yet into it; one that cannot be read is told of and left out."""
    import hashlib
    from dataclasses import asdict

    from stance.cli.flags import find_tables
    from stance.table import read_table
    from stance.triage.queue import build_queue
    from stance.triage.store import add_queue, known_tables, known_threads

    known, found, broken = known_tables(store), {}, []
    for path in find_tables(tags):
        try:
            table = read_table(path)
        except StanceError as error:
            fail(error)
            broken.append(path)
            continue
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest in known:
            typer.echo(f"{path}: in the queue already")
        else:
            found[digest] = (path, table)
    made = build_queue(found, plan, known_threads(store), lambda line: typer.echo(f"stance: {line}", err=True))
    if found:
        add_queue(store, made, {digest: path for digest, (path, _) in found.items()}, asdict(plan))
        audits = sum(item.group.stratum == "audit" for item in made.items)
        posts = sum(len(group.members) for group in made.groups)
        typer.echo(f"{posts} judged posts, {len(made.items)} in the queue, {audits} of them a random audit")
    if broken and not found and not known:
        raise StanceError("no table could be read: see above")


def set_goals(store: sqlite3.Connection, precision: float | None, recall: float | None) -> None:
    from stance.triage.goals import describe_goal, set_goal

    for kind, target in (("precision", precision), ("recall", recall)):
        if target is not None:
            typer.echo(describe_goal(set_goal(store, kind, target)))


def read_key(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StanceError(f"{path}: cannot be read ({error}). Write a key into it.") from error
    if len(key) < 16:
        raise StanceError(f"{path}: a key of {len(key)} characters is easily guessed. Write 16 or more into it.")
    return key


def name_user() -> str:
    """The user of this machine, as a moderator's name; "" where it cannot be one."""
    import getpass

    from stance.triage.store import check_moderator

    try:
        return check_moderator(getpass.getuser())
    except (StanceError, OSError, KeyError):
        return ""


def run_server(app: Any, host: str, port: int, browser: bool) -> None:
    """Serve until the program is stopped."""
    import logging
    import webbrowser

    import uvicorn

    config = uvicorn.Config(
        app,
        host,
        port,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        limit_concurrency=200,
    )
    logging.getLogger("uvicorn.error").disabled = True  # it would tell of a taken port in its own words
    try:
        listening = config.bind_socket()
    except SystemExit:
        raise StanceError(f"--port {port}: cannot listen on {host}. Name another, or 0 for any free one.") from None
    finally:
        logging.getLogger("uvicorn.error").disabled = False
    listening.listen()  # whoever reads the address may come at once
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{listening.getsockname()[1]}/"
    typer.echo(f"{address}  (stop with Ctrl+C; decisions are kept)")
    sys.stdout.flush()
    if browser and sys.stdout.isatty():
        webbrowser.open(address)
    uvicorn.Server(config).run(sockets=[listening])
