"""Exports of any size, read in one pass and little memory: Reddit's NDJSON, and the pages of a web archive (WARC).

A Reddit dump is in order of time, so the comments of a submission lie all over it. They are sorted by submission as
`sort` does it: what fits in memory is sorted and written to a temporary file, run after run, and the runs are merged.
The file has no name, so nothing is left of it however the program ends. A dump that fits in memory needs none.
"""

from __future__ import annotations

import codecs
import contextlib
import heapq
import io
import json
import os
import re
import tempfile
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from stance.read.compressed import open_plain, split_lines
from stance.read.rows import find_parents, repair_surrogates
from stance.read.source import decode_page
from stance.read.times import from_epoch
from stance.records import Post, Reading, Reply, StanceError, Thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

HELD_BYTES = 48 * 2**20  # of rows kept before they are written out as a run
ROW_COST = 48  # bytes that Python adds to each
RECORD_BYTES = 2**16  # of a submission's rows that are read back at a time, for each run
NO_NAME = frozenset(("[deleted]", "[removed]"))
NO_TEXT = frozenset(("[deleted]", "[removed]", "[deleted by user]", "[ Removed by Reddit ]"))

CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([\w.:-]{1,40})""")
# Left to the page, which is right more often: servers give these without looking.
VAGUE_CHARSETS = frozenset(("ascii", "utf-8", "iso8859-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be"))
NO_CHARSETS = frozenset(("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf-7"))
MAXIMUM_BROKEN = 50  # records of a web archive; each is one more reader that the next one reads through

# What is kept of a row: [line, id, parent, author, time, text] of a comment, [line, title, text] of a submission.
Kept = list[Any]
COMMENT = 6


def read_reddit(lines: Iterable[bytes], path: Path) -> Iterator[Thread]:
    """A thread for each submission in a dump of comments, submissions or both, in the order of their ids.

    No thread comes before all lines were read. A warning of the first one counts broken lines; there also stands a
    StanceError of the lines themselves, if rows came before it.
    """
    with tempfile.TemporaryFile(prefix="stance-") as file:
        sorter = Sorter(file, path)
        warnings = _sort_lines(lines, sorter, path)
        for key, rows in sorter.merge():
            yield _make_thread(key, rows, path, warnings)
            warnings = []


def _sort_lines(lines: Iterable[bytes], sorter: Sorter, path: Path) -> list[str]:
    """Put the rows into the sorter; what to warn of."""
    number, first, broken, warnings = 0, 0, 0, []
    try:
        for line in lines:
            number += 1
            if not _keep_line(line, number, sorter) and line.strip():
                broken += 1
                first = first or number
    except StanceError as error:
        if not sorter.rows:
            raise
        warnings.append(f"{error} (the {number} lines before that were read)")
    if not sorter.rows:
        raise StanceError(f"{path}: no comment and no submission among {number} lines: pass Reddit's NDJSON")
    if broken:
        warnings.append(f"{broken} lines that are no comment and no submission (first line {first}): left out")
    return warnings


def _keep_line(line: bytes, number: int, sorter: Sorter) -> bool:
    """Put the row into the sorter, if it is one."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        row = _parse_oddly(line)
    if not isinstance(row, dict):
        return False
    name, link, text = row.get("id"), row.get("link_id"), row.get("body")
    if isinstance(link, str) and isinstance(text, str) and isinstance(name, str):
        kept = [number, name, row.get("parent_id"), row.get("author"), row.get("created_utc"), text]
        sorter.add(link.removeprefix("t3_"), kept)
        return True
    title = row.get("title")
    if isinstance(title, str) and isinstance(name, str):
        sorter.add(name.removeprefix("t3_"), [number, title, row.get("selftext")])
        return True
    return False


def _parse_oddly(line: bytes) -> dict[str, Any] | None:
    """A row that only Python's own parser takes: half a surrogate pair in it, or NUL bytes around it."""
    try:
        row = json.loads(line.strip(b"\0 \t\r\n"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    return {
        repair_surrogates(key): repair_surrogates(value) if isinstance(value, str) else value
        for key, value in row.items()
        if isinstance(value, str) or (isinstance(value, int) and abs(value) < 2**53)
    }


class Sorter:
    """Rows in, rows by submission out, at most HELD_BYTES of them in memory."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.rows = 0
        self._file = file
        self._path = path  # of the export, for messages
        self._held: dict[str, list[bytes]] = {}  # rows as JSON without the brackets
        self._size = 0  # of what is held
        self._runs: list[tuple[int, int]] = []  # where each begins and ends in the file

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

    def merge(self) -> Iterator[tuple[str, list[Kept]]]:
        """The submissions in the order of their ids, which is that of time; their rows as they were added."""
        if not self._runs:
            for key in sorted(self._held, key=_order):
                yield key, orjson.loads(b"[[%b]]" % b"],[".join(self._held.pop(key)))
            return
        self._write_run()
        records = heapq.merge(*map(self._read_run, self._runs), key=lambda record: _order(record[0]))
        for key, parts in groupby(records, key=lambda record: record[0]):
            yield key, [row for _, rows in parts for row in rows]

    def _write_run(self) -> None:
        start = self._file.tell()
        try:
            for key in sorted(self._held, key=_order):
                for rows in _split_rows(self._held[key]):
                    self._file.write(b"[%b,[[%b]]]\n" % (orjson.dumps(key), b"],[".join(rows)))
            self._file.flush()
        except OSError as error:
            folder = tempfile.gettempdir()
            raise StanceError(
                f"{self._path}: {folder} is full ({error.strerror or error}): name another folder in TMPDIR"
            ) from error
        self._runs.append((start, self._file.tell()))
        self._held, self._size = {}, 0

    def _read_run(self, run: tuple[int, int]) -> Iterator[tuple[str, list[Kept]]]:
        starts = range(*run, RECORD_BYTES)
        chunks = (os.pread(self._file.fileno(), min(RECORD_BYTES, run[1] - start), start) for start in starts)
        for line in split_lines(chunks, self._path):
            yield orjson.loads(line)


def _order(key: str) -> tuple[int, str]:
    """Ids are numbers to the base 36."""
    return len(key), key


def _split_rows(rows: list[bytes]) -> Iterator[list[bytes]]:
    """The rows in parts of about RECORD_BYTES."""
    first = size = 0
    for at, row in enumerate(rows):
        if size > RECORD_BYTES:
            yield rows[first:at]
            first, size = at, 0
        size += len(row)
    yield rows[first:]


def _make_thread(key: str, rows: list[Kept], path: Path, warnings: list[str]) -> Thread:
    submission = next((row for row in rows if len(row) != COMMENT), None)
    comments, doubles = _pick_comments(rows)
    positions = {row[1]: position for position, row in enumerate(comments)}
    links = find_parents(positions, [_read_parent(row[2]) for row in comments])
    posts = tuple(
        Post(
            id=name,
            body="" if text in NO_TEXT else _unescape(text),
            author=_read_name(author),
            time=_read_time(time),
            replies=() if parent is None else (Reply(parent, "markup"),),
            line=line,
        )
        for (line, name, _, author, time, text), parent in zip(comments, links.to, strict=True)
    )
    counts = (
        (doubles, "comments that stand in it twice: read once"),
        (len(links.missing), "comments answer one that is not in the file: left open"),
        (len(links.circular), "comments answer each other in a circle: left open"),
        (sum(row[5] in NO_TEXT for row in comments), "comments were deleted or removed: they are posts without words"),
    )
    return Thread(
        id=key,
        source=str(path),
        sha256=None,
        title=_unescape(submission[1]) if submission else None,
        article=_read_article(submission),
        blurb=None,
        posts=posts,
        warnings=(*warnings, *(f"{count} {what}" for count, what in counts if count)),
        reading=Reading("reddit", "reddit", "rows with link_id and body, or title", 1.0),
    )


def _pick_comments(rows: list[Kept]) -> tuple[list[Kept], int]:
    """The comments, each once and in order of time where all show one, and how many stood there again."""
    by_id: dict[str, Kept] = {}
    count = 0
    for row in rows:
        if len(row) == COMMENT:
            count += 1
            by_id.setdefault(row[1], row)
    comments = list(by_id.values())
    if all(type(row[4]) is int for row in comments):
        comments.sort(key=lambda row: row[4])
    return comments, count - len(comments)


def _read_parent(value: object) -> str | None:
    if not isinstance(value, str) or value.startswith("t3_"):
        return None
    return value.removeprefix("t1_")


def _read_name(value: object) -> str | None:
    return (value.strip() or None) if isinstance(value, str) and value not in NO_NAME else None


def _read_time(value: object) -> datetime | None:
    if type(value) is int and 1e9 < value < 4e9:  # nearly all; faster than the careful way
        return datetime.fromtimestamp(value, UTC)
    return from_epoch(value)


def _read_article(submission: Kept | None) -> str | None:
    text = submission[2] if submission else None
    return (_unescape(text).strip() or None) if isinstance(text, str) and text not in NO_TEXT else None


def _unescape(text: str) -> str:
    """Reddit writes these three, and no others, as HTML does."""
    if "&" not in text:
        return text
    return text.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")


def read_warc(path: Path, most: int, warnings: list[str] | None = None) -> Iterator[tuple[str, str]]:
    """The URL and the HTML of each page in a web archive, be it packed or not. What is left out adds to warnings."""
    from warcio.archiveiterator import ArchiveIterator
    from warcio.exceptions import ArchiveLoadFailed

    said = [] if warnings is None else warnings
    reader: Any = _Chunks(open_plain(path, None))
    line: bytes | None = None  # that a record begins with
    left_out = given = broken = 0
    while broken <= MAXIMUM_BROKEN:
        records = ArchiveIterator(reader)
        records.next_line = line
        try:
            while (record := _next_record(records)) is not None:
                page = _read_page(record, path, most)
                if page is not None and page[1] is not None:
                    given += 1
                    yield page[0], page[1]
                left_out += page is not None and page[1] is None
            break
        except StanceError as error:  # cut off
            said.append(str(error))
            break
        except (ArchiveLoadFailed, OSError, ValueError, EOFError, LookupError, AttributeError, TypeError):
            broken += 1
            reader, line = records.reader, _find_record(records.reader)
            if line is None:
                break
    if broken:
        said.append(f"{path}: {broken} broken records: left out")
    if left_out:
        said.append(f"{path}: {left_out} pages of more than {most / 2**20:.0f} MB or packed in an odd way: left out")
    if not given:
        why = f" ({said[-1].removeprefix(f'{path}: ')})" if said else ""
        raise StanceError(f"{path}: no page (an HTML response of status 200) in this web archive{why}")


class _Chunks:
    """An iterator of bytes as a file. It reads no chunk ahead, so none is lost where the iterator breaks off."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""
        self._at = 0

    def read(self, size: int) -> bytes:
        """At most so many bytes, and none at the end only."""
        while self._at >= len(self._rest):
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest, self._at = chunk, 0
        data = self._rest[self._at : self._at + size]
        self._at += len(data)
        return data


def _next_record(records: Any) -> Any:
    with contextlib.redirect_stderr(io.StringIO()):  # warcio writes there what it makes of a broken record
        return next(records, None)


def _find_record(reader: Any) -> bytes | None:
    """The next line that a record begins with."""
    if reader is None:
        return None
    while line := reader.readline(2**16):
        if line.startswith(b"WARC/"):
            return bytes(line)
    return None


def _read_page(record: Any, path: Path, most: int) -> tuple[str, str | None] | None:
    """The URL and the HTML of a record: None for another kind of record, no HTML for a page that cannot be taken."""
    from warcio.bufferedreaders import BufferedReader

    headers = record.http_headers
    if record.rec_type != "response" or headers is None or headers.get_statuscode() != "200":
        return None
    kind = (headers.get_header("Content-Type") or "").lower()
    if not kind.startswith(("text/html", "application/xhtml+xml")):
        return None
    url = repair_surrogates(record.rec_headers.get_header("WARC-Target-URI") or "")
    packing = (headers.get_header("Content-Encoding") or "identity").strip().lower()
    if packing not in ("identity", *BufferedReader.get_supported_decompressors()):
        return url, None
    with contextlib.redirect_stderr(io.StringIO()):
        data = record.content_stream().read(most + 1)
    return url, None if len(data) > most else _decode_page(data, kind, path)


def _decode_page(data: bytes, kind: str, path: Path) -> str:
    """The text of a page by the charset that its header gives, else the page itself."""
    match = CHARSET.search(kind)
    with contextlib.suppress(UnicodeError, LookupError):
        name = codecs.lookup(match[1]).name if match else "utf-8"
        if name not in VAGUE_CHARSETS | NO_CHARSETS:
            return data.decode(name, "replace")
    try:
        return decode_page(data, path)[0]
    except (StanceError, UnicodeError, LookupError):  # NUL bytes and the like
        return data.decode("utf-8", "replace")
