"""Tables of posts: JSON lines, a row {"id", "author", "text", "time", "reply_to"} a post, only the text required."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stance.records import Post, Reply, StanceError, Thread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Identifier = str | int | float | None  # as JSON has it; None: the row shows none


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table, checked."""

    line: int  # from 1
    id: Identifier
    text: str
    author: str | None
    time: datetime | None  # aware, UTC
    reply_to: Identifier  # the id of the row answered


def read_table(text: str, path: Path) -> Thread:
    """The rows as one thread in file order; a post's body is its row's text unchanged.

    Raises StanceError, with the line, for a broken row or an id that a row before has.
    """
    rows = list(split_rows(text, path))
    positions = _number_rows(rows, path)
    posts, missing = [], []
    for position, row in enumerate(rows):
        parent = None if row.reply_to is None else positions.get(str(row.reply_to))
        if parent == position or (parent is None and row.reply_to is not None):
            missing.append(row.line)
            parent = None
        posts.append(
            Post(
                id=_whole(str(position if row.id is None else row.id)),
                body=row.text,
                author=row.author,
                time=row.time,
                replies=() if parent is None else (Reply(parent, "markup"),),
                line=row.line,
            )
        )
    warnings = []
    if missing:
        warnings.append(f"{len(missing)} reply_to with no other row of that id (first on line {missing[0]}): left open")
    return Thread(
        id=path.stem,
        source=str(path),
        sha256=None,
        title=None,
        article=None,
        blurb=None,
        posts=tuple(posts),
        warnings=tuple(warnings),
    )


def split_rows(text: str, path: Path) -> Iterator[Row]:
    """The rows of a JSON-lines text in order, blank lines passed over. StanceError names the line of a broken row."""
    for line, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            yield _parse_row(content, f"{path}:{line}", line)


def _number_rows(rows: list[Row], path: Path) -> dict[str, int]:
    """The position of every id, as text: in a thread 7 and "7" are the same id."""
    positions: dict[str, int] = {}
    for position, row in enumerate(rows):
        key = str(position if row.id is None else row.id)
        if key in positions:
            first = rows[positions[key]].line
            raise StanceError(f"{path}:{row.line}: id {_show(key)} is taken by line {first}: give each row its own id")
        positions[key] = position
    return positions


def _parse_row(content: str, where: str, line: int) -> Row:
    try:
        row = json.loads(content, parse_constant=_refuse_constant)
    except RecursionError:
        raise StanceError(f"{where}: JSON nested too deep: write one flat object a line") from None
    except json.JSONDecodeError as error:
        raise StanceError(f"{where}: not JSON ({error.msg}, column {error.colno}): write one object a line") from None
    except ValueError as error:  # NaN, or a number of more digits than Python converts
        raise StanceError(f"{where}: not JSON ({_show(str(error))}): write one object a line") from None
    if not isinstance(row, dict):
        raise StanceError(f'{where}: not an object: write {{"id": ..., "author": ..., "text": ...}}')
    text, author = row.get("text"), row.get("author")
    if not isinstance(text, str):
        problem = '"text" is not a string' if "text" in row else 'no "text"'
        raise StanceError(f"{where}: {problem}: every row needs the post's text as a string")
    if author is not None and not isinstance(author, str):
        raise StanceError(f'{where}: "author" is not a string: write the name, or null where none is shown')
    return Row(
        line=line,
        id=_check_identifier(row, "id", where),
        text=_whole(text),
        author=_whole(author.strip()) or None if author else None,
        time=_parse_time(row.get("time"), where),
        reply_to=_check_identifier(row, "reply_to", where),
    )


def _check_identifier(row: dict[str, object], key: str, where: str) -> Identifier:
    value = row.get(key)
    if value is None or (isinstance(value, str | int) and not isinstance(value, bool)):
        return value
    if isinstance(value, float) and math.isfinite(value):  # 1e999 is valid JSON and becomes an infinity
        return value
    raise StanceError(f'{where}: "{key}" is neither a string nor a number: write one, or leave it out')


def _parse_time(value: object, where: str) -> datetime | None:
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(value)  # type: ignore[arg-type]
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):  # OverflowError: year 1 or 9999 moved across its edge
        raise StanceError(
            f'{where}: "time" {_show(str(value))} is not ISO 8601: write e.g. "2020-11-10T12:00:00Z", or null'
        ) from None


def _whole(text: str) -> str:
    """The text with U+FFFD for half a surrogate pair, which no encoder or tokenizer accepts. Its length stays."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)
    return text


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _show(text: str) -> str:
    """A short form in one line, for a message."""
    return ascii(text if len(text) <= 40 else text[:40] + "...")
