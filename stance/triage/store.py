"""The queue and its decisions in one SQLite file.

A decision that was acknowledged is on the disk (write-ahead log, every commit synced), so it survives a killed process
and a cut of power. Decisions are only ever added: an undo is a row of its own, and triggers refuse anything else.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from stance.records import StanceError
from stance.table import read_manifest
from stance.triage.queue import Queue
from stance.triage.severity import Cuts, Scored, find_band, find_threshold

ACTIONS = ("ignore", "warn", "hide", "escalate", "skip")
ACTED = ("warn", "hide", "escalate")  # these say that the post is toxic; "ignore" that it is not, "skip" nothing
REASONS = ("threat", "identity attack", "insult", "obscene", "spam", "off topic", "other")
LEASE = timedelta(minutes=15)  # how long a post is one moderator's alone
MOST_NOTE = 2000  # characters
_NAME = re.compile(r"\w[\w .-]{0,39}")
_FORMAT = 1
_APPLICATION = 0x7374726E  # "strn": marks the file as ours

_SCHEMA = """
CREATE TABLE tables(sha256 TEXT PRIMARY KEY, path TEXT NOT NULL, manifest TEXT NOT NULL, settings TEXT NOT NULL);
CREATE TABLE items(
  id INTEGER PRIMARY KEY, thread TEXT NOT NULL, post TEXT NOT NULL, position REAL NOT NULL,
  moderators INTEGER NOT NULL, view TEXT NOT NULL, UNIQUE(thread, post));
CREATE TABLE posts(
  thread TEXT NOT NULL, post TEXT NOT NULL, grp INTEGER NOT NULL, place INTEGER NOT NULL, sha256 TEXT NOT NULL,
  stratum TEXT NOT NULL, chance REAL NOT NULL, item INTEGER REFERENCES items(id), scored TEXT NOT NULL,
  severity REAL NOT NULL, reach REAL NOT NULL, expected REAL NOT NULL, mention INTEGER NOT NULL,
  PRIMARY KEY(thread, post));
CREATE INDEX posts_by_item ON posts(item, place);
CREATE TABLE leases(item INTEGER PRIMARY KEY REFERENCES items(id), moderator TEXT NOT NULL, until TEXT NOT NULL);
CREATE TABLE decisions(
  id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE, item INTEGER NOT NULL REFERENCES items(id),
  moderator TEXT NOT NULL, time TEXT NOT NULL, action TEXT NOT NULL, reason TEXT NOT NULL, note TEXT NOT NULL,
  severity REAL NOT NULL, attribute TEXT NOT NULL, probability REAL NOT NULL, threshold_on TEXT NOT NULL,
  threshold REAL NOT NULL, band TEXT NOT NULL, stratum TEXT NOT NULL, chance REAL NOT NULL,
  tagger_sha256 TEXT NOT NULL, undoes INTEGER UNIQUE REFERENCES decisions(id));
CREATE INDEX decisions_by_item ON decisions(item);
CREATE TRIGGER decisions_stay BEFORE UPDATE ON decisions
  BEGIN SELECT RAISE(ABORT, 'decisions are only ever added'); END;
CREATE TRIGGER decisions_last BEFORE DELETE ON decisions
  BEGIN SELECT RAISE(ABORT, 'decisions are only ever added'); END;
CREATE VIEW standing AS SELECT * FROM decisions AS given WHERE action <> 'undo'
  AND NOT EXISTS (SELECT 1 FROM decisions AS later WHERE later.undoes = given.id);
CREATE VIEW undecided AS SELECT * FROM items WHERE moderators >
  (SELECT COUNT(DISTINCT moderator) FROM standing WHERE standing.item = items.id AND action <> 'skip');
CREATE TABLE goals(
  id INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, kind TEXT NOT NULL, cut REAL, goal TEXT NOT NULL);
"""

# Open to a moderator: undecided, and not decided or skipped by this one.
_OPEN = """
SELECT id FROM undecided
WHERE NOT EXISTS (SELECT 1 FROM standing WHERE standing.item = undecided.id AND standing.moderator = ?)
"""
_FREE = """ AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.item = undecided.id) ORDER BY position DESC, id LIMIT 1"""


class RefusedError(StanceError):
    """A decision that cannot be taken: somebody else has the post, or it is decided."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a moderator says of a post."""

    action: str  # of ACTIONS
    reason: str = ""  # of REASONS, or none
    note: str = ""
    token: str = ""  # of the page that sent it: the same one twice is one decision


@dataclass(frozen=True, slots=True)
class Shown:
    """An item as a moderator gets it."""

    id: int
    scored: Scored
    stratum: str
    chance: float
    band: str
    threshold_on: str  # "severity" or an attribute
    threshold: float
    tagger: str
    tagger_sha256: str
    view: Mapping[str, Any]


def open_store(path: Path) -> sqlite3.Connection:
    """The queue in a file, made where there is none; StanceError where the file is something else."""
    try:
        store = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
        store.row_factory = sqlite3.Row
        store.execute("BEGIN")  # the two questions are of one moment: another program may be making the file
        ours = store.execute("PRAGMA application_id").fetchone()[0]
        used = store.execute("SELECT 1 FROM sqlite_master").fetchone() is not None
        store.execute("COMMIT")
        if ours not in (0, _APPLICATION) or (ours == 0 and used):
            raise StanceError(f"{path}: another program's database. Name a file of your own with --db.")
        store.execute("PRAGMA journal_mode=WAL")
        store.execute("PRAGMA synchronous=FULL")
        store.execute("PRAGMA foreign_keys=ON")
        with change(store):  # two programs may open a new file at once: the second finds it made
            made = store.execute("PRAGMA user_version").fetchone()[0]
            if made == 0:
                for statement in _split_schema():
                    store.execute(statement)
                store.execute(f"PRAGMA application_id={_APPLICATION}")
                store.execute(f"PRAGMA user_version={_FORMAT}")
            elif made != _FORMAT:
                raise StanceError(f"{path}: a queue of format {made}, this program reads {_FORMAT}. Name another file.")
    except sqlite3.Error as error:
        raise StanceError(f"{path}: cannot be used as a queue ({error}). Name another file with --db.") from error
    return store


@contextmanager
def change(store: sqlite3.Connection) -> Iterator[None]:
    """A transaction that holds the only right to write; it is on the disk when the block has ended well."""
    store.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        store.execute("ROLLBACK")
        raise
    store.execute("COMMIT")


def known_tables(store: sqlite3.Connection) -> set[str]:
    """The sha256 of every table that is in the queue."""
    return {row[0] for row in store.execute("SELECT sha256 FROM tables")}


def known_threads(store: sqlite3.Connection) -> set[str]:
    return {row[0] for row in store.execute("SELECT DISTINCT thread FROM posts")}


def add_queue(store: sqlite3.Connection, queue: Queue, paths: Mapping[str, Path], settings: Mapping[str, Any]) -> None:
    """Add a queue to what is there; its order mixes with that of the open items."""
    with change(store):
        for sha256, path in paths.items():
            manifest = asdict(read_manifest(queue.tables[sha256])) if sha256 in queue.tables else {}
            written = json.dumps(manifest, sort_keys=True)
            store.execute("INSERT INTO tables VALUES (?,?,?,?)", (sha256, str(path), written, json.dumps(settings)))
        items: dict[tuple[str, str], int | None] = {}
        for item in queue.items:
            lead, view = item.group.lead, json.dumps(item.view)
            values = (lead.thread, lead.post, item.order, item.moderators, view)
            made = store.execute("INSERT INTO items(thread,post,position,moderators,view) VALUES (?,?,?,?,?)", values)
            items[lead.thread, lead.post] = made.lastrowid
        first = store.execute("SELECT COALESCE(MAX(grp), 0) + 1 FROM posts").fetchone()[0]
        for number, group in enumerate(queue.groups, start=first):
            item_id = items.get((group.lead.thread, group.lead.post))
            for place, one in enumerate(group.members):
                store.execute(
                    "INSERT INTO posts VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                    (one.thread, one.post, number, place, group.sha256, group.stratum, group.chance, item_id,
                     json.dumps(asdict(one)), one.severity, one.reach, one.expected, one.mention),
                )  # fmt: skip


def check_moderator(name: str) -> str:
    """The name without blank space around it; StanceError for one that cannot stand in a log."""
    name = name.strip()
    if not _NAME.fullmatch(name):
        raise StanceError("a moderator's name has letters, digits, blanks, _ . and -, 40 at most: give another")
    return name


def read_cuts(store: sqlite3.Connection) -> Cuts:
    """The cuts in force: of each kind the last that was set."""
    last = "SELECT cut FROM goals WHERE kind = ? ORDER BY id DESC LIMIT 1"
    found = {kind: store.execute(last, (kind,)).fetchone() for kind in ("precision", "recall")}
    likely, review = (row and row[0] for row in found.values())
    if likely is not None and review is not None:
        review = min(likely, review)
    return Cuts(likely, review)


def show_item(store: sqlite3.Connection, item: int) -> Shown:
    """StanceError where there is no such item."""
    row = store.execute(
        "SELECT posts.*, items.view, tables.manifest FROM items "
        "JOIN posts ON posts.item = items.id AND posts.place = 0 JOIN tables USING (sha256) WHERE items.id = ?",
        (item,),
    ).fetchone()
    if row is None:
        raise StanceError(f"item {item}: not in this queue. Open the queue again.")
    scored, manifest, cuts = Scored(**json.loads(row["scored"])), json.loads(row["manifest"]), read_cuts(store)
    band = find_band(scored.severity, scored.reach, scored.mention, cuts)
    named, value = find_threshold(band, scored, cuts)
    return Shown(
        id=item,
        scored=scored,
        stratum=row["stratum"],
        chance=row["chance"],
        band=band,
        threshold_on=named,
        threshold=value,
        tagger=manifest["tagger"],
        tagger_sha256=manifest["tagger_sha256"],
        view=json.loads(row["view"]),
    )


def list_items(store: sqlite3.Connection, open_only: bool = False) -> list[Shown]:
    """The items in the order of the queue; ``open_only``: those that fewer moderators have decided than are asked."""
    query = "SELECT id FROM undecided" if open_only else "SELECT id FROM items"
    return [show_item(store, row[0]) for row in store.execute(query + " ORDER BY position DESC, id").fetchall()]


def next_item(store: sqlite3.Connection, moderator: str, now: datetime | None = None) -> Shown | None:
    """The post that the moderator has, else the first open one, which is then theirs alone for LEASE; None: no more."""
    now = now or datetime.now(UTC)
    with change(store):
        store.execute("DELETE FROM leases WHERE until <= ?", (_time(now),))
        held = store.execute("SELECT item FROM leases WHERE moderator = ?", (moderator,)).fetchone()
        found = held or store.execute(_OPEN + _FREE, (moderator,)).fetchone()
        if found is not None:
            _lease(store, found[0], moderator, now)
    return None if found is None else show_item(store, found[0])


def decide(store: sqlite3.Connection, item: int, moderator: str, choice: Choice, now: datetime | None = None) -> None:
    """Add a decision; it is on the disk when this returns. RefusedError where it is not the moderator's to take.

    A decision whose lease ran out counts all the same while nobody else has taken the post.
    """
    now = now or datetime.now(UTC)
    check_choice(choice)
    with change(store):
        if store.execute("SELECT 1 FROM decisions WHERE token = ?", (choice.token,)).fetchone():
            return  # the page was sent twice
        shown = show_item(store, item)
        holder = store.execute(
            "SELECT moderator FROM leases WHERE item = ? AND until > ?", (item, _time(now))
        ).fetchone()
        if holder is not None and holder[0] != moderator:
            raise RefusedError("Another moderator has this post now: your decision was not kept.")
        standing = store.execute("SELECT moderator, action FROM standing WHERE item = ?", (item,)).fetchall()
        if any(row["moderator"] == moderator for row in standing):
            raise RefusedError("You have decided this post already: undo that first.")
        asked = store.execute("SELECT moderators FROM items WHERE id = ?", (item,)).fetchone()[0]
        if len({row["moderator"] for row in standing if row["action"] != "skip"}) >= asked:
            raise RefusedError("Another moderator has decided this post: your decision was not kept.")
        add_decision(store, shown, moderator, choice, now)
        store.execute("DELETE FROM leases WHERE item = ?", (item,))


def undo(store: sqlite3.Connection, moderator: str, token: str, now: datetime | None = None) -> int | None:
    """Take back the moderator's last standing decision and give them the post again; None: there is none.

    The decision stays in the log; the undo is a row after it.
    """
    now = now or datetime.now(UTC)
    with change(store):
        if store.execute("SELECT 1 FROM decisions WHERE token = ?", (token,)).fetchone():
            return None
        last = store.execute(
            "SELECT id, item FROM standing WHERE moderator = ? ORDER BY id DESC LIMIT 1", (moderator,)
        ).fetchone()
        if last is None:
            return None
        add_decision(store, show_item(store, last["item"]), moderator, Choice("undo", token=token), now, last["id"])
        store.execute("DELETE FROM leases WHERE moderator = ? OR until <= ?", (moderator, _time(now)))
        if store.execute("SELECT 1 FROM leases WHERE item = ?", (last["item"],)).fetchone() is None:
            _lease(store, last["item"], moderator, now)
    return int(last["item"])


def check_choice(choice: Choice) -> None:
    if choice.action not in ACTIONS:
        raise StanceError(f"action {choice.action!r}: it is one of {', '.join(ACTIONS)}")
    if choice.reason and choice.reason not in REASONS:
        raise StanceError(f"reason {choice.reason!r}: it is one of {', '.join(REASONS)}, or none")
    if len(choice.note) > MOST_NOTE:
        raise StanceError(f"a note of {len(choice.note)} characters: {MOST_NOTE} at most")
    if not 8 <= len(choice.token) <= 100:
        raise StanceError("a decision without its token: open the queue again")


def add_decision(
    store: sqlite3.Connection,
    shown: Shown,
    moderator: str,
    choice: Choice,
    time: datetime,
    undoes: int | None = None,
) -> int:
    """A row of the log, inside the caller's ``change``: its id."""
    values = {
        "token": choice.token, "item": shown.id, "moderator": moderator, "time": _time(time), "action": choice.action,
        "reason": choice.reason, "note": choice.note, "severity": shown.scored.severity,
        "attribute": shown.scored.attribute, "probability": shown.scored.probability,
        "threshold_on": shown.threshold_on, "threshold": shown.threshold, "band": shown.band,
        "stratum": shown.stratum, "chance": shown.chance, "tagger_sha256": shown.tagger_sha256, "undoes": undoes,
    }  # fmt: skip
    names, marks = ",".join(values), ",".join(f":{name}" for name in values)
    made = store.execute(f"INSERT INTO decisions({names}) VALUES ({marks})", values)  # noqa: S608 (names are above)
    return int(made.lastrowid or 0)


def release(store: sqlite3.Connection, moderator: str) -> None:
    """Give back the post that a moderator has and will not decide."""
    with change(store):
        store.execute("DELETE FROM leases WHERE moderator = ?", (moderator,))


def last_decisions(store: sqlite3.Connection, moderator: str, most: int) -> list[dict[str, Any]]:
    """The moderator's last standing decisions, the latest first, each with the thread and name of its post."""
    query = (
        "SELECT standing.*, items.thread, items.view FROM standing JOIN items ON items.id = standing.item "
        "WHERE moderator = ? ORDER BY standing.id DESC LIMIT ?"
    )
    rows = store.execute(query, (moderator, most)).fetchall()
    return [{**dict(row), "name": json.loads(row["view"])["name"]} for row in rows]


def count_progress(store: sqlite3.Connection, moderator: str) -> tuple[int, int, int]:
    """Items the moderator has decided or skipped, items still open to them, items in the queue."""
    own = store.execute("SELECT COUNT(DISTINCT item) FROM standing WHERE moderator = ?", (moderator,)).fetchone()[0]
    remaining = len(store.execute(_OPEN, (moderator,)).fetchall())
    return own, remaining, store.execute("SELECT COUNT(*) FROM items").fetchone()[0]


def _lease(store: sqlite3.Connection, item: int, moderator: str, now: datetime) -> None:
    values = (item, moderator, _time(now + LEASE))
    store.execute("INSERT OR REPLACE INTO leases VALUES (?,?,?)", values)


def _time(time: datetime) -> str:
    """One length for all times, so that they sort as text."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _split_schema() -> Iterator[str]:
    """The statements; a trigger holds a semicolon of its own, before END."""
    statement = ""
    for line in _SCHEMA.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            if statement.strip():
                yield statement
            statement = ""
