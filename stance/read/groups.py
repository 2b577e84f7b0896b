"""Rows of a table, however many, to the threads that they belong to.

They are sorted by thread in little memory. In a small table the threads come in the order in which they come up, in a
large one in that of their ids: only so does nothing grow with their number. Rows without a thread are one discussion,
unless there are more of them than any has: then they are an archive, and each row stands alone, in threads of a
convenient size.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, groupby
from typing import TYPE_CHECKING

from stance.read.rejects import Refuse, Reject
from stance.read.rows import ALONE, Row, make_thread, part_doubles, repair_surrogates, show
from stance.read.sorter import Kept, Sorter
from stance.records import Reading, StanceError, Thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MOST_ROWS, MOST_CHARACTERS = 100_000, 2**28  # of a discussion
CUT_ROWS, CUT_CHARACTERS = 10_000, 2**25  # of a thread whose rows stand alone
OWN_FORM = "jsonl"  # a table of our own, where a broken row is an error unless somebody is told of it


@dataclass(slots=True)
class Table:
    """A table while it is read: what is known of it, and what was wrong with it so far."""

    path: Path
    form: str  # OWN_FORM, "csv" or "parquet"
    reject: Refuse | None = None
    is_large: bool = False
    broken: int = 0  # rows left out
    first: int = 0  # line of the first of them
    stray: int = 0  # bytes that are not UTF-8
    stray_line: int = 0  # of the first of them
    warnings: list[str] = field(default_factory=list)  # of the file; said with the next thread
    threads: dict[str | None, int] = field(default_factory=dict)  # of a small one -> place in which they come up

    def leave_out(self, line: int, reason: str) -> None:
        self.broken += 1
        self.first = self.first or line
        self.tell(line, reason)

    def tell(self, line: int, reason: str) -> None:
        if self.reject is not None:
            self.reject(Reject(f"{'row' if self.form == 'parquet' else 'line'} {line}", reason))

    def take_warnings(self) -> list[str]:
        found, self.warnings = self.warnings, []
        if self.broken:
            fault = "cannot be read" if self.form == OWN_FORM else "do not fit the header"
            found.insert(0, f"{self.broken} rows that {fault} (first on line {self.first}): left out")
            self.broken = self.first = 0
        if self.stray:
            line = f"first on line {self.stray_line}"
            found.insert(0, f"not UTF-8 throughout ({self.stray} bytes, {line}): those were read as Windows-1252")
            self.stray = self.stray_line = 0
        return found

    def name_key(self, thread: str | None) -> str:
        """What the rows of a thread are sorted by."""
        if self.is_large:
            return "" if thread is None else f"={thread}"
        return str(self.threads.setdefault(thread, len(self.threads)))


def gather_threads(rows: Iterable[Row], table: Table) -> Iterator[Thread]:
    """The threads of the rows; what is wrong with the file is said with the first. StanceError if there is no row."""
    with Sorter(table.path) as sorter:
        number = 0
        for number, cut in enumerate(_cut_rows(_sort_rows(rows, table, sorter)), start=1):
            yield _make_alone(cut, table, str(number))
        if not number and not sorter.rows:
            hint = "how its cells are divided and quoted" if table.form == "csv" else "that each has a text"
            raise StanceError(f"{table.path}: a table without a row that can be read: check {hint}")
        names = list(table.threads)
        for key, parts in groupby(sorter.merge_parts(), key=lambda part: part[0]):
            name = (key[1:] if key else None) if table.is_large else names[int(key)]
            found = map(_make_row, chain.from_iterable(rows for _, rows in parts))
            yield from _split_thread(found, table, name)


def _sort_rows(rows: Iterable[Row], table: Table, sorter: Sorter) -> Iterator[Row]:
    """Put the rows into the sorter; give those without a thread, in order, once they are too many for a discussion."""
    count = length = 0
    is_archive = False
    for row in rows:
        if row.thread is not None:
            sorter.add(table.name_key(repair_surrogates(str(row.thread))), _keep_row(row))
            continue
        if not is_archive:
            count += 1
            length += len(row.text)
            if count <= MOST_ROWS and length <= MOST_CHARACTERS:
                sorter.add(table.name_key(None), _keep_row(row))
                continue
            is_archive = True
            yield from map(_make_row, sorter.take(table.name_key(None)))
        yield row


def _split_thread(rows: Iterator[Row], table: Table, name: str | None) -> Iterator[Thread]:
    """The thread of these rows, or those of an archive under one id."""
    if not table.is_large:
        yield _make_thread(list(rows), table, name)
        return
    held: list[Row] = []
    length = 0
    for row in rows:
        held.append(row)
        length += len(row.text)
        if len(held) > MOST_ROWS or length > MOST_CHARACTERS:
            break
    else:
        yield _make_thread(held, table, name)
        return
    every = chain(held, rows)
    for number, cut in enumerate(_cut_rows(every), start=1):
        yield _make_alone(cut, table, str(number) if name is None else f"{name}-{number}")


def _cut_rows(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The rows in lists of CUT_ROWS; a list that has CUT_CHARACTERS is full, too."""
    held: list[Row] = []
    length = 0
    for row in rows:
        if len(held) == CUT_ROWS or length > CUT_CHARACTERS:
            yield held
            held, length = [], 0
        held.append(row)
        length += len(row.text)
    if held:
        yield held


def _keep_row(row: Row) -> Kept:
    return [row.line, _keep_id(row.id), row.text, row.author, row.time, _keep_id(row.reply_to), row.unread]


def _keep_id(value: object) -> str | None:
    return None if value is None else repair_surrogates(str(value))


def _make_row(kept: Kept) -> Row:
    line, name, text, author, time, reply_to, unread = kept
    return Row(line, name, text, author, datetime.fromisoformat(time) if time else None, reply_to, None, tuple(unread))


def _make_alone(rows: list[Row], table: Table, name: str) -> Thread:
    answers = sum(row.reply_to is not None for row in rows)
    if answers:
        rows = [replace(row, reply_to=None) for row in rows]
        table.warnings.append(f"{answers} rows answer another: left open, as they are too many for one discussion")
    thread = _make_thread(rows, table, name)
    reason = f"rows without a thread, or in one of more than {MOST_ROWS:,}"
    return replace(thread, reading=Reading(table.form, ALONE, reason, 1.0))


def _make_thread(rows: list[Row], table: Table, name: str | None) -> Thread:
    warnings = table.take_warnings()
    if table.form != OWN_FORM:
        rows, doubles = part_doubles(rows)
        if doubles:
            warnings.append(f"{doubles} ids that a row before has: each was given another")
    if table.reject is not None:
        rows, doubles = _leave_out_doubles(rows, table)
        if doubles:
            warnings.append(f"{doubles} rows with the id of one before: left out")
    thread = make_thread(rows, table.path, table.form)
    return replace(thread, id=thread.id if name is None else name, warnings=(*warnings, *thread.warnings))


def _leave_out_doubles(rows: list[Row], table: Table) -> tuple[list[Row], int]:
    """The rows whose id is free, and how many others there are. A row without an id has its place for one."""
    lines: dict[str, int] = {}
    for row in rows:
        key = str(len(lines) if row.id is None else row.id)
        if lines.setdefault(key, row.line) != row.line:
            table.tell(row.line, f"id {show(key)} is taken by line {lines[key]}")
    kept = set(lines.values())
    single = [row for row in rows if row.line in kept]
    return single, len(rows) - len(single)
