"""Parquet tables of posts, batch by batch: no more of a file is held than one group of its rows, packed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stance.read.groups import Table, gather_threads
from stance.read.rows import Columns, Row, read_values
from stance.read.tables import list_names, require_text
from stance.records import StanceError, Thread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stance.read.rejects import Refuse

BATCH = 1024  # rows
BUFFER = 2**20  # bytes of a column that are read at a time


def read_parquet(path: Path, columns: Columns, most: int, large: int, reject: Refuse | None = None) -> Iterator[Thread]:
    """The threads in a Parquet table. StanceError if the columns read take more than `most` bytes unpacked; from
    `large` bytes on it is a large table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path, buffer_size=BUFFER)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _refuse(path, error) from None
    with file:
        found = require_text(file.schema_arrow.names, columns, path)
        wanted = [name for name in list_names(found) if name in file.schema_arrow.names]
        size = _measure(file.metadata, wanted)
        if size > most:
            raise StanceError(f"{path}: more than {most / 2**20:.0f} MB unpacked: split it, or raise --max-size")
        table = Table(path, "parquet", reject, size > large)
        yield from gather_threads(_read_groups(file, wanted, found, table), table)


def _read_groups(file: Any, wanted: list[str], found: Columns, table: Table) -> Iterator[Row]:
    """The rows that have a text. Where somebody is told, a group of rows that is broken costs itself only."""
    import pyarrow as pa

    line = 0
    for number in range(file.metadata.num_row_groups):
        end = line + file.metadata.row_group(number).num_rows
        try:
            # With threads Arrow took 30 MB more, and most of the time goes into what is done with a row.
            for batch in file.iter_batches(BATCH, row_groups=[number], columns=wanted, use_threads=False):
                columns_read = [_list_values(batch.column(name)) for name in wanted]
                for cells in zip(*columns_read, strict=True):
                    line += 1
                    values = dict(zip(wanted, cells, strict=True))
                    if isinstance(values[found.text or ""], str):
                        yield read_values(values, found, line)
                    else:
                        table.leave_out(line, "no text")
        except (pa.ArrowException, OSError, ValueError, LookupError) as error:  # LookupError: two columns of one name
            if table.reject is None:
                raise _refuse(table.path, error) from None
            table.leave_out(line + 1, f"{end - line} rows that cannot be unpacked ({_name(error)})")
        line = end


def _measure(metadata: Any, wanted: list[str]) -> int:
    """Bytes of the columns, unpacked, as the file says of itself."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    return sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema in wanted)


def _list_values(column: Any) -> list[object]:
    """The column's values; of a time, no more than millionths of a second, which is all that Python has."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    try:
        values = column.to_pylist()
    except (ValueError, OverflowError):  # a time that Python does not have
        values = [_take_value(scalar) for scalar in column]
    return [None if value != value else value for value in values]  # NaN is pandas' way to leave out


def _take_value(scalar: Any) -> object:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return "out of range"


def _refuse(path: Path, error: Exception) -> StanceError:
    return StanceError(f"{path}: not a Parquet file that can be read ({_name(error)}): write it again")


def _name(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
