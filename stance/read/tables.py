"""Tables of posts, a row a post: JSON lines and CSV, their columns named by the user or known by name.

In JSON lines, our own form, a broken row is an error with its line, unless somebody is told of those that are left out.
CSV and Parquet (`stance.read.parquet`) come from elsewhere: there a broken row is left out with a warning, and so is,
in every table, a value of a column that nobody asked for.
"""

from __future__ import annotations

import csv
import io
import json
from collections import deque
from dataclasses import fields, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import orjson

from stance.read.compressed import MAXIMUM_LINE, OVERLONG
from stance.read.groups import OWN_FORM, Table, gather_threads
from stance.read.rejects import name_reason
from stance.read.rows import Columns, Row, find_columns, make_thread, read_parts, read_values, show
from stance.read.source import decode_line
from stance.records import StanceError, Thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

MAXIMUM_FIELD = MAXIMUM_LINE  # characters in a CSV cell; a quotation mark never closed takes in the rest of the file
DELIMITERS = (",", ";", "\t")


def read_table(text: str, path: Path, columns: Columns | None = None) -> Thread:
    """The JSON lines as one thread in file order; a post's body is its row's text unchanged.

    Raises StanceError, with the line, for a broken row or an id that a row before has.
    """
    return make_thread(list(split_rows(text, path, columns)), path, OWN_FORM)


def read_json_lines(text: str, path: Path, columns: Columns | None = None) -> Iterator[Thread]:
    """The JSON lines as a thread for each value of the thread column, in the order in which those come up."""
    return gather_threads(split_rows(text, path, columns), Table(path, OWN_FORM))


def read_json_stream(lines: Iterable[bytes], table: Table, columns: Columns) -> Iterator[Thread]:
    """As `read_json_lines`, of lines without their ends, of any number."""
    return gather_threads(_read_rows(_decode_lines(lines, table), table, columns), table)


def read_csv(text: str, path: Path, columns: Columns | None = None) -> Iterator[Thread]:
    """The threads in a CSV table with a header; what divides its cells is found out."""
    # Line ends inside a cell stay as they are.
    return _read_csv(io.StringIO(text, newline=""), Table(path, "csv"), columns or Columns())


def read_csv_stream(lines: Iterable[bytes], table: Table, columns: Columns) -> Iterator[Thread]:
    """As `read_csv`, of lines without their ends, of any number."""
    return _read_csv(_split_returns(_decode_lines(lines, table)), table, columns)


def _read_csv(lines: Iterable[str], table: Table, columns: Columns) -> Iterator[Thread]:
    waiting = iter(lines)
    first = next(waiting, "")
    headers = [(delimiter, next(_split_csv([first], delimiter), (1, None))[1]) for delimiter in DELIMITERS]
    delimiter = max(headers, key=lambda header: _rate_header(header[1], columns))[0]
    records = _split_csv(chain([first], waiting), delimiter)
    names = [name.strip() for name in next(records, (1, None))[1] or ()]
    found = require_text(names, columns, table.path)
    return gather_threads(_read_cells(records, names, found, table), table)


def split_rows(text: str, path: Path, columns: Columns | None = None) -> Iterator[Row]:
    """The rows of a JSON-lines text in order, blank lines passed over. StanceError names the line of a broken row."""
    return _read_rows(text.split("\n"), Table(path, OWN_FORM), columns or Columns())


def require_text(names: Sequence[str], columns: Columns, path: Path) -> Columns:
    """The columns to read. StanceError if there is none of the posts' text, or if one that was asked for is absent."""
    found = find_columns(tuple(names), columns)
    absent = [name for name in list_names(columns) if name not in names]
    if found.text is None or absent:
        problem = f"no column {show(absent[0])}" if absent else "no column holds the posts' text"
        shown = ", ".join(map(show, names[:12])) + (", ..." if len(names) > 12 else "")
        raise StanceError(f"{path}: {problem}: name the right one of {shown or 'an empty header'}")
    return found


def list_names(columns: Columns) -> list[str]:
    """The names given, each once."""
    return list(dict.fromkeys(filter(None, (getattr(columns, field.name) for field in fields(columns)))))


def _read_cells(
    records: Iterable[tuple[int, list[str] | None]], names: list[str], found: Columns, table: Table
) -> Iterator[Row]:
    places = {name: place for place, name in enumerate(names)}
    wanted = [(name, places[name]) for name in list_names(found)]
    for line, cells in records:
        if cells is None:
            table.leave_out(line, "broken quotation marks, or a cell without end")
        elif len(cells) != len(names) and (len(cells) < len(names) or any(map(str.strip, cells[len(names) :]))):
            table.leave_out(line, f"{len(cells)} cells under {len(names)} columns")
        elif any(map(str.strip, cells)):
            yield read_values({name: cells[place] for name, place in wanted}, found, line)


def _rate_header(header: list[str] | None, columns: Columns) -> tuple[bool, int]:
    cells = [cell.strip() for cell in header or ()]
    return find_columns(tuple(cells), columns).text in cells, len(cells)


def _split_csv(lines: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str] | None]]:
    """The line and the cells of each row that is not blank; None for the cells of a broken one.

    After a broken row it goes on with the line after that row's first: a quotation mark left open costs one row.
    """
    source = iter(lines)
    again: deque[str] = deque()  # lines that are to be read once more
    held: list[str] = []  # those of the row that is being read

    def feed() -> Iterator[str]:
        while (line := again.popleft() if again else next(source, None)) is not None:
            held.append(line)
            yield line

    begin = 1
    reader = csv.reader(feed(), delimiter=delimiter, strict=True)
    while True:
        limit = csv.field_size_limit(MAXIMUM_FIELD)  # of all readers in the process
        try:
            cells = next(reader, None)
            is_broken = False
        except csv.Error:
            is_broken = True
        finally:
            csv.field_size_limit(limit)
        if is_broken:
            yield begin, None
            again.extendleft(reversed(held[1:]))
            del held[1:]
            reader = csv.reader(feed(), delimiter=delimiter, strict=True)
        elif cells is None:
            return
        elif cells:
            yield begin, cells
        begin += len(held)
        held.clear()


def _decode_lines(lines: Iterable[bytes], table: Table) -> Iterator[str]:
    """The lines as text. Where somebody is told, one that is too long is an empty one, and a break ends them."""
    line = 0
    try:
        for line, content in enumerate(lines, start=1):
            if content is OVERLONG:
                table.leave_out(line, content.decode())
                yield ""
                continue
            text, stray = decode_line(content)
            if stray:
                table.stray += stray
                table.stray_line = table.stray_line or line
            yield text
    except StanceError as error:
        if table.reject is None or not line:
            raise
        table.leave_out(line + 1, name_reason(error, table.path))


def _split_returns(lines: Iterable[str]) -> Iterator[str]:
    """The lines with their ends, and those apart that a carriage return alone divides."""
    for line in lines:
        if "\r" in line[:-1]:
            yield from io.StringIO(line + "\n", newline="")
        else:
            yield line + "\n"


def _read_rows(lines: Iterable[str], table: Table, columns: Columns) -> Iterator[Row]:
    """The rows in order, blank lines passed over. A broken one is an error, unless somebody is told of it."""
    for line, content in enumerate(lines, start=1):
        if not content or content.isspace():
            continue
        try:
            yield _parse_row(content, table.path, line, columns)
        except StanceError as error:
            if table.reject is None:
                raise
            table.leave_out(line, name_reason(error, table.path))


def _parse_row(content: str, path: Path, line: int, columns: Columns) -> Row:
    try:
        row = orjson.loads(content)
    except orjson.JSONDecodeError:
        row = _parse_oddly(content, f"{path}:{line}")
    if not isinstance(row, dict):
        raise StanceError(f'{path}:{line}: not an object: write {{"id": ..., "author": ..., "text": ...}}')
    found = find_columns(tuple(row), columns)
    if any(type(row.get(name)) is float for name in (found.id, found.reply_to, found.thread) if name):
        row = _parse_oddly(content, f"{path}:{line}")  # orjson makes a float of a number of more than 64 bits
    name = found.text or "text"
    if not isinstance(row.get(name), str):
        problem = f'"{name}" is not a string' if name in row else f'no "{name}"'
        raise StanceError(f"{path}:{line}: {problem}: every row needs the post's text as a string")
    found = found if found.text else replace(found, text=name)
    return read_parts(row, found, line, (f"{path}:{line}", columns))


def _parse_oddly(text: str, where: str) -> Any:
    """What Python's own parser makes of a line, which takes more than the fast one and says what is wrong."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise StanceError(f"{where}: JSON nested too deep: write one flat object a line") from None
    except json.JSONDecodeError as error:
        raise StanceError(f"{where}: not JSON ({error.msg}, column {error.colno}): write one object a line") from None
    except ValueError as error:  # NaN, or a number of more digits than Python converts
        raise StanceError(f"{where}: not JSON ({show(str(error))}): write one object a line") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")
