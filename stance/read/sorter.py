"""Rows in any order to rows by key, in little memory, as `sort` does it.

What fits in memory is sorted and written to a temporary file, run after run, and the runs are merged. Where there are
many, they are merged into one of a second file first, so that no more is open at a time. The files have no name, so
nothing is left of them however the program ends.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import tempfile
from itertools import groupby
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import orjson

from stance.read.compressed import split_lines
from stance.records import StanceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

HELD_BYTES = 8 * 2**20  # of rows kept before they are written out as a run; more of them made nothing faster
ROW_COST = 48  # bytes that Python adds to each
RECORD_BYTES = 2**14  # of a key's rows that are read back at a time, for each run
MOST_RUNS = 256  # in the first file

Kept = list[Any]  # a row as JSON can hold it
Record = tuple[str, bytes]  # a key, and some of its rows as JSON


class Sorter:
    """Rows in, rows by key out, at most HELD_BYTES of them in memory. Shorter keys come first, so numbers in order."""

    def __init__(self, path: Path) -> None:
        self.rows = 0
        self._held: dict[str, list[bytes]] = {}  # rows as JSON without the brackets
        self._size = 0  # of what is held
        self._merged, self._single = _Runs(path), _Runs(path)
        self._taken: set[str] = set()  # keys whose rows in the runs were given already

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._merged.close()
        self._single.close()

    def add(self, key: str, kept: Kept) -> None:
        row = orjson.dumps(kept)[1:-1]  # a copy: what orjson gives keeps the 4 kB that it was written into
        rows = self._held.get(key)
        if rows is None:
            rows = self._held[key] = []
            self._size += 4 * ROW_COST
        rows.append(row)
        self.rows += 1
        self._size += len(row) + ROW_COST
        if self._size > HELD_BYTES:
            self._write_run()

    def take(self, key: str) -> Iterator[Kept]:
        """The rows of a key as they were added, out of turn; `merge` will not give them. No more of it may be added."""
        self._taken.add(key)
        for run in (*self._merged.read(), *self._single.read()):
            for found, rows in run:
                if found == key:
                    yield from orjson.loads(rows)
        for rows in _join_rows(self._held.pop(key, [])):
            yield from orjson.loads(rows)

    def merge(self) -> Iterator[tuple[str, list[Kept]]]:
        """The keys in order, each with its rows as they were added."""
        for key, parts in groupby(self.merge_parts(), key=lambda part: part[0]):
            yield key, [row for _, rows in parts for row in rows]

    def merge_parts(self) -> Iterator[tuple[str, list[Kept]]]:
        """As `merge`; a key with many rows comes several times in a row, with some of them each time."""
        held = self._order_held()
        for key, rows in heapq.merge(*self._merged.read(), *self._single.read(), held, key=_order):
            if key not in self._taken:
                yield key, orjson.loads(rows)

    def _order_held(self) -> Iterator[Record]:
        for key in sorted(self._held, key=lambda key: (len(key), key)):
            for rows in _join_rows(self._held.pop(key)):
                yield key, rows

    def _write_run(self) -> None:
        self._single.write(self._order_held())
        self._size = 0
        if len(self._single.places) == MOST_RUNS:
            self._merged.write(heapq.merge(*self._single.read(), key=_order))
            self._single.close()


class _Runs:
    """Records in a temporary file, sorted run by run."""

    def __init__(self, path: Path) -> None:
        self.places: list[tuple[int, int]] = []  # where each run begins and ends
        self._path = path  # of the export, for messages
        self._file: BinaryIO | None = None

    def close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # it may hold what there was no room for
                self._file.close()
            self._file = None
        self.places = []

    def write(self, records: Iterable[Record]) -> None:
        try:
            file = self._file = self._file or tempfile.TemporaryFile(prefix="stance-")  # noqa: SIM115
            start = file.tell()
            for key, rows in records:
                file.write(b"%b\t%b\n" % (orjson.dumps(key), rows))  # no JSON has a tab in it
            file.flush()
        except OSError as error:
            folder = tempfile.tempdir or "the folder of temporary files"
            raise StanceError(
                f"{self._path}: {folder} has no room ({error.strerror or error}): name another folder in TMPDIR"
            ) from error
        self.places.append((start, file.tell()))

    def read(self) -> list[Iterator[Record]]:
        """The runs, the oldest first."""
        return [] if self._file is None else [self._read_run(self._file, *place) for place in self.places]

    def _read_run(self, file: BinaryIO, start: int, end: int) -> Iterator[Record]:
        starts = range(start, end, RECORD_BYTES)
        chunks = (os.pread(file.fileno(), min(RECORD_BYTES, end - at), at) for at in starts)
        for line in split_lines(chunks, self._path, None):
            key, _, rows = line.partition(b"\t")
            yield orjson.loads(key), rows


def _order(record: Record) -> tuple[int, str]:
    return len(record[0]), record[0]


def _join_rows(rows: list[bytes]) -> Iterator[bytes]:
    """The rows as JSON, in parts of about RECORD_BYTES."""
    first = size = 0
    for at, row in enumerate(rows):
        if size > RECORD_BYTES:
            yield b"[[%b]]" % b"],[".join(rows[first:at])
            first, size = at, 0
        size += len(row)
    if rows:
        yield b"[[%b]]" % b"],[".join(rows[first:])
