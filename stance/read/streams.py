"""Exports of any size, read in one pass and little memory: Reddit's NDJSON, and the pages of a web archive (WARC).

A Reddit dump is in order of time, so the comments of a submission lie all over it. They are sorted by submission.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from stance.read.compressed import OVERLONG, open_plain
from stance.read.rejects import Refuse, Reject, name_reason
from stance.read.rows import NO_NAME, find_parents, repair_surrogates
from stance.read.sorter import Kept, Sorter
from stance.read.source import decode_page
from stance.read.times import from_epoch
from stance.records import Post, Reading, Reply, StanceError, Thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

NO_TEXT = frozenset(("[deleted]", "[removed]", "[deleted by user]", "[ Removed by Reddit ]"))

CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([\w.:-]{1,40})""")
# Left to the page, which is right more often: servers give these without looking.
VAGUE_CHARSETS = frozenset(("ascii", "utf-8", "iso8859-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be"))
NO_CHARSETS = frozenset(("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf-7"))
MAXIMUM_BROKEN = 50  # records of a web archive; each is one more reader that the next one reads through

COMMENT = 6  # parts that are kept: [line, id, parent, author, time, text]; of a submission [line, title, text]


def read_reddit(lines: Iterable[bytes], path: Path, reject: Refuse | None = None) -> Iterator[Thread]:
    """A thread for each submission in a dump of comments, submissions or both, in the order of their ids: of time.

    No thread comes before all lines were read. A warning of the first one counts broken lines; there also stands a
    StanceError of the lines themselves, if rows came before it.
    """
    with Sorter(path) as sorter:
        warnings = _sort_lines(lines, sorter, path, reject)
        for key, rows in sorter.merge():
            yield _make_thread(key, rows, path, warnings, reject)
            warnings = []


def _sort_lines(lines: Iterable[bytes], sorter: Sorter, path: Path, reject: Refuse | None) -> list[str]:
    """Put the rows into the sorter; what to warn of."""
    number, first, broken, warnings = 0, 0, 0, []
    try:
        for line in lines:
            number += 1
            if not _keep_line(line, number, sorter) and line.strip():
                broken += 1
                first = first or number
                if reject is not None:
                    reject(Reject(f"line {number}", _name_fault(line)))
    except StanceError as error:
        if not sorter.rows:
            raise
        if reject is not None:
            reject(Reject(f"line {number + 1}", name_reason(error, path)))
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


def _name_fault(line: bytes) -> str:
    """Why a line is no row."""
    if line is OVERLONG:
        return line.decode()
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return "not JSON" if _parse_oddly(line) is None else "no comment and no submission"
    return "no comment and no submission"


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


def _make_thread(key: str, rows: list[Kept], path: Path, warnings: list[str], reject: Refuse | None) -> Thread:
    submission = next((row for row in rows if len(row) != COMMENT), None)
    comments, doubles = _pick_comments(rows, reject)
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


def _pick_comments(rows: list[Kept], reject: Refuse | None) -> tuple[list[Kept], int]:
    """The comments, each once and in order of time where all show one, and how many stood there again."""
    by_id: dict[str, Kept] = {}
    doubles = 0
    for row in rows:
        if len(row) == COMMENT and by_id.setdefault(row[1], row) is not row:
            doubles += 1
            if reject is not None:
                reject(Reject(f"line {row[0]}", f"the comment of line {by_id[row[1]][0]} once more"))
    comments = list(by_id.values())
    if all(type(row[4]) is int for row in comments):
        comments.sort(key=lambda row: row[4])
    return comments, doubles


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


def read_warc(
    path: Path, most: int, warnings: list[str], reject: Refuse | None = None
) -> Iterator[tuple[int, str, str]]:
    """Of each page in a web archive, be it packed or not, the number of its record from 1, the URL and the HTML.

    What is left out adds to warnings.
    """
    tell = reject or _ignore
    too_odd = f"of more than {most / 2**20:.0f} MB or packed in an odd way"
    left_out = given = 0
    for number, (url, html) in _read_pages(path, most, warnings, tell):
        if html is None:
            left_out += 1
            tell(Reject(f"record {number}", f"a page {too_odd}"))
        else:
            given += 1
            yield number, url, html
    if left_out:
        warnings.append(f"{path}: {left_out} pages {too_odd}: left out")
    if not given:
        why = f" ({warnings[-1].removeprefix(f'{path}: ')})" if warnings else ""
        raise StanceError(f"{path}: no page (an HTML response of status 200) in this web archive{why}")


def _read_pages(
    path: Path, most: int, warnings: list[str], tell: Refuse
) -> Iterator[tuple[int, tuple[str, str | None]]]:
    """The number of each record that has a page, and that page; after a broken record it goes on with the next."""
    from warcio.archiveiterator import ArchiveIterator
    from warcio.exceptions import ArchiveLoadFailed

    reader: Any = _Chunks(open_plain(path, None))
    line: bytes | None = None  # that a record begins with
    number = broken = 0
    while broken <= MAXIMUM_BROKEN:
        records = ArchiveIterator(reader)
        records.next_line = line
        try:
            while True:
                number += 1
                record = _next_record(records)
                page = None if record is None else _read_page(record, path, most)
                if page is not None:
                    yield number, page
                elif record is None:
                    break
            break
        except StanceError as error:  # cut off
            warnings.append(str(error))
            tell(Reject(f"record {number}", name_reason(error, path)))
            break
        except (ArchiveLoadFailed, OSError, ValueError, EOFError, LookupError, AttributeError, TypeError):
            broken += 1
            tell(Reject(f"record {number}", "a broken record"))
            reader, line = records.reader, _find_record(records.reader)
            if line is None:
                break
    if broken:
        warnings.append(f"{path}: {broken} broken records: left out")


def _ignore(_: Reject) -> None:
    """Nobody is told."""


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
