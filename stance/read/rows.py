"""Rows of a table to posts: which column holds what, what its values mean, which row answers which."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from stance.read.times import from_epoch, parse_time
from stance.records import Post, Reading, Reply, StanceError, Thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

Identifier = str | int | float | None  # as JSON has it; None: the row shows none

NO_NAME = frozenset(("[deleted]", "[removed]"))  # what Reddit shows in the place of a name
ALONE = "rows that stand alone"  # the layout of a thread that is a stretch of an archive and no discussion

WHOLE_NUMBER = re.compile(r"([0-9]+)\.0")  # 7 in a column where other rows are empty, as pandas writes it


@dataclass(frozen=True, slots=True)
class Columns:
    """The name of the column that holds each part of a post; None: looked for among the usual names."""

    id: str | None = None
    author: str | None = None
    text: str | None = None
    time: str | None = None
    reply_to: str | None = None
    thread: str | None = None  # rows that share its value are one thread


NAMES = {  # of columns, any case; the first of them is our own, whose values must be right
    "id": ("id", "comment_id", "post_id"),
    "author": ("author", "user", "username", "speaker", "name"),
    "text": ("text", "body", "comment", "content", "message"),
    "time": ("time", "date", "created_utc", "created_at", "timestamp"),
    "reply_to": ("reply_to", "parent", "parent_id", "in_reply_to"),
    "thread": ("thread", "thread_id", "conversation_id", "link_id", "topic"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table, checked."""

    line: int  # from 1
    id: Identifier
    text: str
    author: str | None
    time: datetime | None  # aware, UTC
    reply_to: Identifier  # the id of the row answered
    thread: Identifier = None
    unread: tuple[str, ...] = ()  # columns whose value here makes no sense


@lru_cache(maxsize=64)
def find_columns(present: tuple[str, ...], asked: Columns) -> Columns:
    """The columns that were asked for, and for the other parts those that are there under a usual name."""
    by_name = {name.strip().casefold(): name for name in reversed(present)}
    found = {
        part: getattr(asked, part) or next((by_name[name] for name in names if name in by_name), None)
        for part, names in NAMES.items()
    }
    return Columns(**found)


def group_rows(rows: Iterable[Row]) -> dict[str | None, list[Row]]:
    groups: dict[str | None, list[Row]] = {}
    for row in rows:
        groups.setdefault(None if row.thread is None else str(row.thread), []).append(row)
    return groups or {None: []}


def name_thread(thread: Thread, key: str | None) -> Thread:
    return thread if key is None else replace(thread, id=repair_surrogates(key))


def part_doubles(rows: list[Row]) -> tuple[list[Row], int]:
    """The rows with another id where one before has the same, and how many those are."""
    taken = {str(row.id) for row in rows if row.id is not None}
    seen: set[str] = set()
    single, doubles = [], 0
    for row in rows:
        key = None if row.id is None else str(row.id)
        if key in seen:
            doubles += 1
            key = next(name for number in itertools.count(doubles + 1) if (name := f"{row.id}-{number}") not in taken)
            taken.add(key)
        if key is not None:
            seen.add(key)
        single.append(row if key == row.id else replace(row, id=key))
    return single, doubles


def make_thread(rows: list[Row], path: Path, form: str) -> Thread:
    positions = _number_rows(rows, path)
    links = find_parents(positions, [None if row.reply_to is None else str(row.reply_to) for row in rows])
    posts = tuple(
        Post(
            id=repair_surrogates(str(position if row.id is None else row.id)),
            body=row.text,
            author=row.author,
            time=row.time,
            replies=() if parent is None else (Reply(parent, "markup"),),
            line=row.line,
        )
        for position, (row, parent) in enumerate(zip(rows, links.to, strict=True))
    )
    return Thread(
        id=path.stem,
        source=str(path),
        sha256=None,
        title=None,
        article=None,
        blurb=None,
        posts=posts,
        warnings=tuple(_warn_of_rows(rows, links)),
        reading=Reading(form, "table", "a row is a post", 1.0),
    )


def _warn_of_rows(rows: list[Row], links: Links) -> Iterator[str]:
    if links.missing:
        line = rows[links.missing[0]].line
        yield f"{len(links.missing)} reply_to with no other row of that id (first on line {line}): left open"
    if links.circular:
        line = rows[links.circular[0]].line
        yield f"{len(links.circular)} reply_to that lead back to their own row (first on line {line}): left open"
    unread = Counter(name for row in rows for name in row.unread)
    for name, count in unread.items():
        line = next(row.line for row in rows if name in row.unread)
        yield f"{count} values of column {show(name)} make no sense (first on line {line}): left out"


def _number_rows(rows: list[Row], path: Path) -> dict[str, int]:
    """The position of every id, as text: in a thread 7 and "7" are the same id."""
    positions: dict[str, int] = {}
    for position, row in enumerate(rows):
        key = str(position if row.id is None else row.id)
        if key in positions:
            first = rows[positions[key]].line
            raise StanceError(f"{path}:{row.line}: id {show(key)} is taken by line {first}: give each row its own id")
        positions[key] = position
    return positions


@dataclass(frozen=True, slots=True)
class Links:
    """What each of some rows answers, as far as the file has it."""

    to: list[int | None]  # position of the row answered
    missing: list[int]  # positions of the rows that answer themselves or one that is not there
    circular: list[int]  # positions of the rows whose link was taken out, as it led back to themselves


def find_parents(positions: Mapping[str, int], parents: Sequence[str | None]) -> Links:
    """The position of each row's parent. A chain may have any length, and a circle is cut where it closes."""
    links = Links([], [], [])
    for position, parent in enumerate(parents):
        found = None if parent is None else positions.get(parent)
        if found is None and parent is not None and parent[:3] in ("t1_", "t3_"):  # Reddit's mark of a kind
            found = positions.get(parent[3:])
        if found == position or (found is None and parent is not None):
            links.missing.append(position)
            found = None
        links.to.append(found)
    walks = [0] * len(parents)  # the walk that came by first, from 1
    for start in range(len(parents)):
        last, at = start, links.to[start]
        walks[start] = walks[start] or start + 1
        while at is not None and not walks[at] and walks[start] == start + 1:
            walks[at] = start + 1
            last, at = at, links.to[at]
        if at is not None and walks[at] == walks[last] == start + 1:
            links.to[last] = None
            links.circular.append(last)
    return links


def repair_surrogates(text: str) -> str:
    """The text with U+FFFD for half a surrogate pair, which no encoder or tokenizer accepts. Its length stays."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)
    return text


def read_values(values: Mapping[str, object], found: Columns, line: int) -> Row:
    """A row of a table from elsewhere: blank cells are empty."""
    kept = {
        name: value if name == found.text or not isinstance(value, str) else value.strip() or None
        for name, value in values.items()
    }
    for name in (found.id, found.reply_to, found.thread):
        value = None if name is None else kept.get(name)
        if name is not None and isinstance(value, float) and value.is_integer():
            kept[name] = int(value)
        elif name is not None and isinstance(value, str) and (match := WHOLE_NUMBER.fullmatch(value)):
            kept[name] = match[1]
    return read_parts(kept, found, line, None)


def read_parts(values: Mapping[str, object], found: Columns, line: int, strict: tuple[str, Columns] | None) -> Row:
    """The row, its text known to be one. With strict, (where, what was asked for): StanceError for what makes no sense
    in a column that was asked for or has our own name for it.
    """
    parts: dict[str, Any] = {}
    unread = []
    for part, read in READERS.items():
        name = getattr(found, part)
        value = None if name is None else values.get(name)
        try:
            parts[part] = None if value is None else (read if strict is None or name != "time" else _read_iso)(value)
        except ValueError as error:
            if strict is not None and name in (NAMES[part][0], getattr(strict[1], part)):
                raise StanceError(f'{strict[0]}: "{name}" {error}') from None
            parts[part] = None
            unread.append(name)
    return Row(line=line, text=repair_surrogates(str(values[found.text or ""])), unread=tuple(unread), **parts)


def _read_identifier(value: object) -> Identifier:
    if isinstance(value, str | int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and math.isfinite(value):  # 1e999 is valid JSON and becomes an infinity
        return value
    raise ValueError("is neither a string nor a number: write one, or leave it out")


def _read_name(value: object) -> str | None:
    if not isinstance(value, str):
        raise ValueError("is not a string: write the name, or null where none is shown")
    return repair_surrogates(value.strip()) or None


def _read_time(value: object) -> datetime:
    if isinstance(value, date):
        value = value if isinstance(value, datetime) else datetime.combine(value, time())
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    found = from_epoch(value) or (parse_time(value) if isinstance(value, str) else None)
    if found is None:
        raise ValueError(f'{show(str(value))} is no time: write e.g. "2020-11-10T12:00:00Z", or null')
    return found


def _read_iso(value: object) -> datetime:
    """The time in a row of our own form, which has it in one way only."""
    try:
        found = datetime.fromisoformat(value)  # type: ignore[arg-type]
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):  # OverflowError: year 1 or 9999 moved across its edge
        raise ValueError(f'{show(str(value))} is not ISO 8601: write e.g. "2020-11-10T12:00:00Z", or null') from None


READERS: dict[str, Callable[[object], object]] = {
    "id": _read_identifier,
    "author": _read_name,
    "time": _read_time,
    "reply_to": _read_identifier,
    "thread": _read_identifier,
}


def show(text: str) -> str:
    """A short form in one line, for a message."""
    return ascii(text if len(text) <= 40 else text[:40] + "...")
