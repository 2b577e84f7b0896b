"""Tables of posts, a row a post: JSON lines, CSV and Parquet, their columns named by the user or known by name.

In JSON lines, our own form, a broken row is an error with its line. CSV and Parquet come from elsewhere: there a broken
row is left out with a warning, and so is, in every table, a value of a column that nobody asked for.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from stance.read.rows import (
    Columns,
    Row,
    find_columns,
    group_rows,
    make_thread,
    name_thread,
    part_doubles,
    read_parts,
    read_values,
    show,
)
from stance.records import StanceError, Thread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MAXIMUM_FIELD = 2**24  # characters in a CSV cell; a quotation mark that is never closed takes in the rest of the file
DELIMITERS = (",", ";", "\t")


def read_table(text: str, path: Path, columns: Columns | None = None) -> Thread:
    """The JSON lines as one thread in file order; a post's body is its row's text unchanged.

    Raises StanceError, with the line, for a broken row or an id that a row before has.
    """
    return make_thread(list(split_rows(text, path, columns)), path, "jsonl")


def read_json_lines(text: str, path: Path, columns: Columns | None = None) -> Iterator[Thread]:
    """The JSON lines as a thread for each value of the thread column, in the order in which those come up."""
    groups = group_rows(split_rows(text, path, columns))
    return (name_thread(make_thread(rows, path, "jsonl"), key) for key, rows in groups.items())


def read_csv(text: str, path: Path, columns: Columns | None = None) -> Iterator[Thread]:
    """The threads in a CSV table with a header; what divides its cells is found out."""
    lines = list(io.StringIO(text, newline=""))  # line ends inside a cell stay as they are
    tables = [(delimiter, _split_csv(lines[:1], delimiter)) for delimiter in DELIMITERS]
    delimiter = max(tables, key=lambda table: _rate_header(table[1], columns))[0]
    records = _split_csv(lines, delimiter)
    names = [name.strip() for name in (records[0][1] if records else None) or ()]
    found = _require_text(names, columns, path)
    rows, broken = [], []
    for line, cells in records[1:]:
        if cells is None or len(cells) < len(names) or any(cell.strip() for cell in cells[len(names) :]):
            broken.append(line)
        elif any(cell.strip() for cell in cells):
            rows.append(read_values(dict(zip(names, cells, strict=False)), found, line))
    return _make_threads(rows, path, "csv", broken)


def read_parquet(path: Path, columns: Columns | None = None, most: int | None = None) -> Iterator[Thread]:
    """The threads in a Parquet table. StanceError if the columns read take more than `most` bytes unpacked."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: list[Row] = []
    broken: list[int] = []
    try:
        with pq.ParquetFile(path) as file:
            found = _require_text(file.schema_arrow.names, columns, path)
            wanted = [name for name in _list_names(found) if name in file.schema_arrow.names]
            _check_size(file.metadata, wanted, path, most)
            for batch in file.iter_batches(batch_size=4096, columns=wanted):
                columns_read = [_list_values(batch.column(name)) for name in wanted]
                for cells in zip(*columns_read, strict=True):
                    line = len(rows) + len(broken) + 1
                    values = dict(zip(wanted, cells, strict=True))
                    if isinstance(values[found.text or ""], str):
                        rows.append(read_values(values, found, line))
                    else:
                        broken.append(line)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise StanceError(f"{path}: not a Parquet file that can be read ({reason}): write it again") from None
    return _make_threads(rows, path, "parquet", broken)


def split_rows(text: str, path: Path, columns: Columns | None = None) -> Iterator[Row]:
    """The rows of a JSON-lines text in order, blank lines passed over. StanceError names the line of a broken row."""
    for line, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            yield _parse_row(content, f"{path}:{line}", line, columns or Columns())


def _make_threads(rows: list[Row], path: Path, form: str, broken: list[int]) -> Iterator[Thread]:
    """The rows of a table from elsewhere as threads; what is wrong with the file is said with the first."""
    if not rows:
        raise StanceError(f"{path}: a table without a row that can be read: check how its cells are divided and quoted")
    warnings = []
    if broken:
        warnings.append(f"{len(broken)} rows that do not fit the header (first on line {broken[0]}): left out")
    for key, group in group_rows(rows).items():
        single, doubles = part_doubles(group)
        if doubles:
            warnings.append(f"{doubles} ids that a row before has: each was given another")
        thread = name_thread(make_thread(single, path, form), key)
        yield replace(thread, warnings=(*warnings, *thread.warnings))
        warnings = []


def _require_text(names: Sequence[str], columns: Columns | None, path: Path) -> Columns:
    found = find_columns(tuple(names), columns or Columns())
    absent = [name for name in _list_names(columns or Columns()) if name not in names]
    if found.text is None or absent:
        problem = f"no column {show(absent[0])}" if absent else "no column holds the posts' text"
        shown = ", ".join(map(show, names[:12])) + (", ..." if len(names) > 12 else "")
        raise StanceError(f"{path}: {problem}: name the right one of {shown or 'an empty header'}")
    return found


def _list_names(columns: Columns) -> list[str]:
    """The names given, each once."""
    return list(dict.fromkeys(filter(None, (getattr(columns, field.name) for field in fields(columns)))))


def _rate_header(records: list[tuple[int, list[str] | None]], columns: Columns | None) -> tuple[bool, int]:
    cells = [cell.strip() for cell in (records[0][1] if records else None) or ()]
    return find_columns(tuple(cells), columns or Columns()).text in cells, len(cells)


def _split_csv(lines: list[str], delimiter: str) -> list[tuple[int, list[str] | None]]:
    """The line and the cells of each row that is not blank; None for the cells of a broken one.

    After a broken row it goes on with the line after that row's first: a quotation mark left open costs one row.
    """
    records: list[tuple[int, list[str] | None]] = []
    begin = 0
    limit = csv.field_size_limit(MAXIMUM_FIELD)
    try:
        while begin < len(lines):
            start = begin
            reader = csv.reader(map(lines.__getitem__, range(start, len(lines))), delimiter=delimiter, strict=True)
            try:
                for cells in reader:
                    if cells:
                        records.append((begin + 1, cells))
                    begin = start + reader.line_num
            except csv.Error:
                records.append((begin + 1, None))
                begin += 1
    finally:
        csv.field_size_limit(limit)
    return records


def _check_size(metadata: Any, wanted: list[str], path: Path, most: int | None) -> None:
    """StanceError if the file says of itself that the columns are more than was allowed."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    size = sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema in wanted)
    if most is not None and size > most:
        raise StanceError(f"{path}: more than {most / 2**20:.0f} MB unpacked: split it, or raise --max-size")


def _list_values(column: Any) -> list[object]:
    """The column's values; of a time, no more than millionths of a second, which is all that Python has."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return [None if value != value else value for value in column.to_pylist()]  # NaN is pandas' way to leave out


def _parse_row(content: str, where: str, line: int, columns: Columns) -> Row:
    try:
        row = json.loads(content, parse_constant=_refuse_constant)
    except RecursionError:
        raise StanceError(f"{where}: JSON nested too deep: write one flat object a line") from None
    except json.JSONDecodeError as error:
        raise StanceError(f"{where}: not JSON ({error.msg}, column {error.colno}): write one object a line") from None
    except ValueError as error:  # NaN, or a number of more digits than Python converts
        raise StanceError(f"{where}: not JSON ({show(str(error))}): write one object a line") from None
    if not isinstance(row, dict):
        raise StanceError(f'{where}: not an object: write {{"id": ..., "author": ..., "text": ...}}')
    found = find_columns(tuple(row), columns)
    name = found.text or "text"
    if not isinstance(row.get(name), str):
        problem = f'"{name}" is not a string' if name in row else f'no "{name}"'
        raise StanceError(f"{where}: {problem}: every row needs the post's text as a string")
    return read_parts(row, replace(found, text=name), line, (where, columns))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")
