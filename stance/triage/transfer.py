"""Decisions out of the queue and into it: JSON lines, CSV, the file of a one-file page, gold labels."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stance.estimate.judged import Drawn, Gold, GoldLabel, Stratum
from stance.files import open_replacing
from stance.records import TOXICITY, StanceError
from stance.table import defuse, write_rows
from stance.triage.store import (
    ACTED,
    Choice,
    Shown,
    add_decision,
    change,
    check_choice,
    check_moderator,
    show_item,
)

ENDINGS = (".jsonl", ".csv")
MOST_NAME = 1000  # characters of an id
MOST_IMPORT = 64 * 2**20  # bytes of a file of decisions
_FIELDS = (
    "id", "token", "thread", "post", "moderator", "time", "action", "reason", "note", "severity", "attribute",
    "probability", "threshold_on", "threshold", "band", "stratum", "chance", "tagger_sha256", "undoes", "standing",
    "members",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file of decisions."""

    added: int
    known: int  # there already


def list_decisions(store: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    """The whole log in order, undone decisions and undos too; ``standing`` says which count."""
    query = (
        "SELECT decisions.*, items.thread, items.post, decisions.id IN (SELECT id FROM standing) AS standing "
        "FROM decisions JOIN items ON items.id = decisions.item ORDER BY decisions.id"
    )
    members: dict[int, list[list[str]]] = {}
    for row in store.execute("SELECT item, thread, post FROM posts WHERE item IS NOT NULL ORDER BY item, place"):
        members.setdefault(row["item"], []).append([row["thread"], row["post"]])
    for row in store.execute(query):
        values = {**dict(row), "standing": bool(row["standing"]), "members": members[row["item"]]}
        yield {name: values[name] for name in _FIELDS}


def export_decisions(store: sqlite3.Connection, path: Path) -> int:
    """Write the log as .jsonl or .csv; how many rows."""
    if path.suffix not in ENDINGS:
        raise StanceError(f"{path}: unknown ending. Name a file that ends in {' or '.join(ENDINGS)}.")
    rows = list(list_decisions(store))
    if path.suffix == ".jsonl":
        write_rows(rows, path)
    else:
        with open_replacing(path) as file:
            file.write(write_csv(rows).encode("utf-8", "replace"))
    return len(rows)


def write_csv(rows: Sequence[dict[str, Any]]) -> str:
    """The log as CSV; a cell that a spreadsheet would run is defused."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_FIELDS)
    for row in rows:
        cells = {**row, "members": json.dumps(row["members"], ensure_ascii=False)}
        writer.writerow([defuse(cells[name]) for name in _FIELDS])
    return text.getvalue()


def import_decisions(store: sqlite3.Connection, path: Path) -> Imported:
    """Add the decisions that a one-file page saved; all of the file or nothing.

    Only what a moderator said is taken from it: scores, bands and chances are the queue's own. A decision that is there
    already is passed over, so that a file may be read twice.
    """
    rows = _read_lines(path)
    added, known = 0, 0
    with change(store):
        for number, row in enumerate(rows, start=1):
            try:
                if _import_row(store, row):
                    added += 1
                else:
                    known += 1
            except StanceError as error:
                raise StanceError(f"{path}: line {number}: {error}. Nothing was imported.") from error
    return Imported(added, known)


def make_gold(store: sqlite3.Connection, seed: int, note: Callable[[str], None] = lambda _: None) -> Gold:
    """The standing decisions as labels of toxicity, each post with the chance that it had of being shown.

    What moderators acted on is toxic, what they ignored is not, what they skipped is open. Repeats get the label of
    their leader. Strata are those of the queue, so that estimates weigh audits for all the posts they stand for.
    """
    topic, sides = _read_topic(store)
    labels, coders = _list_labels(store, len(sides))
    if not labels:
        raise StanceError("no decisions yet, so there are no labels: decide some posts first")
    posts = store.execute("SELECT thread, post, stratum, chance, item FROM posts ORDER BY grp, place").fetchall()
    drawn = [Drawn(row["thread"], row["post"], row["stratum"], row["chance"]) for row in posts if row["item"]]
    done = {(label.thread, label.post) for label in labels}
    left = sum((one.thread, one.post) not in done for one in drawn)
    if left:
        note(
            f"{left} of {len(drawn)} posts of the queue have no decision. The gravest are decided first, so "
            "shares lean until the queue is done"
        )
    counts = Counter((row["thread"], row["stratum"]) for row in posts)
    strata = tuple(Stratum(thread, name, count) for (thread, name), count in counts.items())
    return Gold(topic, sides, seed, strata, tuple(drawn), tuple(labels), tuple(coders))


def _read_topic(store: sqlite3.Connection) -> tuple[str, tuple[str, ...]]:
    manifests = [json.loads(row[0]) for row in store.execute("SELECT manifest FROM tables ORDER BY rowid")]
    found = {(one["topic"], tuple(side["name"] for side in one["sides"])) for one in manifests if one}
    if len(found) != 1:
        topics = ", ".join(sorted(topic for topic, _ in found)) or "no table"
        raise StanceError(f"gold is of one topic, this queue holds {topics}: make a queue (--db) for each")
    return found.pop()


def _list_labels(store: sqlite3.Connection, sides: int) -> tuple[list[GoldLabel], list[str]]:
    """A label for each post and moderator, and the moderators by what they decided, most first."""
    query = (
        "SELECT standing.moderator, standing.action, posts.thread, posts.post FROM standing JOIN posts USING (item) "
        "WHERE action <> 'skip' ORDER BY posts.grp, posts.place, standing.id"
    )
    rows = store.execute(query).fetchall()
    counts = Counter(row["moderator"] for row in rows)
    coders = {name: _name_coder(name) for name, _ in counts.most_common()}
    if len({coder.casefold() for coder in coders.values()}) < len(coders):
        raise StanceError(f"moderators {', '.join(coders)}: two names are one as file names; export by hand")
    others: tuple[None, ...] = (None,) * (len(TOXICITY) - 1)
    labels = [
        GoldLabel(
            thread=row["thread"],
            post=row["post"],
            coder=coders[row["moderator"]],
            stance=(None,) * sides,
            toxicity=(row["action"] in ACTED, *others),
            sentiment=None,
        )
        for row in rows
    ]
    return labels, list(coders.values())


def _name_coder(name: str) -> str:
    """The moderator as part of a file's name."""
    return re.sub(r"[^\w-]+", "-", name)


def _read_lines(path: Path) -> list[dict[str, Any]]:
    try:
        if path.stat().st_size > MOST_IMPORT:
            raise StanceError(f"{path}: over {MOST_IMPORT // 2**20} MB. Name the file that the page saved.")
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StanceError(f"{path}: cannot be read ({error}). Name the file that the page saved.") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise StanceError(f"{path}: line {number}: not a decision. Name the .jsonl file that the page saved.")
            rows.append(row)
    return rows


def _import_row(store: sqlite3.Connection, row: dict[str, Any]) -> bool:
    """Whether it is new. Runs inside a change."""
    texts = {name: _text(row, name) for name in ("token", "thread", "post", "moderator", "time", "action")}
    for name, value in texts.items():
        if not value or len(value) > MOST_NAME:
            raise StanceError(f"no {name}, or more than {MOST_NAME} characters")
    moderator, time = check_moderator(texts["moderator"]), _read_time(texts["time"])
    if store.execute("SELECT 1 FROM decisions WHERE token = ?", (texts["token"],)).fetchone():
        return False
    found = store.execute(
        "SELECT id FROM items WHERE thread = ? AND post = ?", (texts["thread"], texts["post"])
    ).fetchone()
    if found is None:
        raise StanceError(f"the post {texts['post']} of {texts['thread']} is not in this queue")
    shown = show_item(store, found["id"])
    if texts["action"] == "undo":
        _import_undo(store, shown, moderator, row, time)
        return True
    choice = Choice(texts["action"], _text(row, "reason"), _text(row, "note"), texts["token"])
    check_choice(choice)
    if store.execute("SELECT 1 FROM standing WHERE item = ? AND moderator = ?", (found["id"], moderator)).fetchone():
        raise StanceError(f"{moderator} has decided {texts['post']} of {texts['thread']} already, undo that first")
    add_decision(store, shown, moderator, choice, time)
    return True


def _import_undo(store: sqlite3.Connection, shown: Shown, moderator: str, row: dict[str, Any], time: datetime) -> None:
    undone = store.execute(
        "SELECT id FROM standing WHERE token = ? AND moderator = ? AND item = ?",
        (_text(row, "undoes"), moderator, shown.id),
    ).fetchone()
    if undone is None:
        raise StanceError("an undo of a decision that is not there")
    add_decision(store, shown, moderator, Choice("undo", token=_text(row, "token")), time, undone["id"])


def _text(row: dict[str, Any], name: str) -> str:
    value = row.get(name) or ""
    if not isinstance(value, str):
        raise StanceError(f"{name}: not a text")
    return value.encode("utf-8", "replace").decode("utf-8")  # SQLite takes no lone surrogate


def _read_time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise StanceError(f"time {text!r}: not of the form 2026-01-31T12:00:00Z") from None
