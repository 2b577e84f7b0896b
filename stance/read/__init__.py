"""Bytes to loose posts: look at what a file is and hand it to the reader of that family.

A loose thread has its posts as the source shows them; unmarked quotes, replies and gaps are `stance.thread`'s.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from stance.read.compressed import open_members, read_plain, split_lines
from stance.read.rejects import Refuse, Reject, name_reason
from stance.read.rows import ALONE, Columns, Identifier
from stance.read.source import (
    check_file,
    decode_bytes,
    decode_name,
    decode_page,
    hash_file,
    open_text,
)
from stance.records import StanceError, Thread

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ALONE", "ENDINGS", "FORMATS", "Columns", "Options", "Reject", "read_rows", "read_threads"]

# Of the files that are taken from a folder.
ENDINGS = (
    *(".txt", ".text", ".html", ".htm", ".xhtml", ".xml", ".json", ".jsonl", ".ndjson"),
    *(".csv", ".tsv", ".parquet", ".zst", ".gz", ".zip", ".warc"),
)
FORMATS = ("text", "page", "rows", "csv", "parquet", "reddit", "json", "xml", "disqus-xml", "wordpress-xml", "warc")

MOST_BYTES = 64 * 2**20  # of a file that is held in memory: a thread of 100,000 long posts
MOST_STREAMED = 64 * 2**30  # of one that is not: a month of Reddit's comments in 2012
STREAMED = ("reddit", "rows", "csv")
HEAD = 2**16  # bytes that are looked at

HTML_START = re.compile(  # atomic groups: a page of nothing but comment marks must not be tried in every division
    r"\s*+(?:<\?xml[^>]{0,200}>\s*+)?(?:(?><!--.{0,2000}?-->)\s*+){0,5}<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
XML_START = re.compile(r"\s*+(?:<\?xml\b|<(?:rss|disqus)\b)")
REDDIT_KEYS = ({"link_id", "parent_id", "body"}, {"selftext", "subreddit", "num_comments"})


@dataclass(frozen=True, slots=True)
class Options:
    """What the user knows better than the file shows."""

    format: str | None = None  # of FORMATS, or the name of a JSON export
    layout: str | None = None  # of a text its layout, of a page its platform
    columns: Columns = field(default_factory=Columns)  # of a table
    most: int | None = None  # bytes, unpacked; None: MOST_BYTES, of streams MOST_STREAMED
    reject: Refuse | None = None  # is told of each record that is left out; None: a broken row of our own is an error


def read_threads(path: Path, options: Options | None = None) -> Iterator[Thread]:
    """The loose threads of a file or of a ConvoKit folder, in its order. StanceError if it holds none that is read.

    The id of a file's only thread is the file's name; of several, that and their own ids. Reddit's dumps and large
    tables are sorted by thread, in little memory (`stance.read.groups`). A thread whose reading has the layout ALONE
    is a stretch of an archive: its posts do not answer or quote each other.
    """
    options = options or Options()
    if path.is_dir():
        from stance.read.corpus import read_corpus

        threads, digest = read_corpus(path, options.reject), None
    else:
        check_file(path)
        _check_format(options.format)
        threads, digest = _read_members(path, options), hash_file(path)
    first = next(threads, None)
    if first is None:
        raise StanceError(f"{path}: no thread in it: check that the export has comments")
    stem, source = decode_name(path.stem), decode_name(str(path))
    others = list(itertools.islice(threads, 1))
    for thread in itertools.chain([first], others, threads):
        yield replace(thread, id=f"{stem}-{thread.id}" if others else stem, source=source, sha256=digest)


def read_rows(path: Path) -> list[tuple[Identifier, str]]:
    """The (id, text) of every row of a JSON-lines file, in file order: each row stands alone, nothing is linked.

    An id comes back as it is, be it string, number or absent (None); ids may repeat.
    """
    from stance.read.tables import split_rows

    text, _ = decode_bytes(read_plain(path, MOST_BYTES), path)
    return [(row.id, row.text) for row in split_rows(text, path)]


def _check_format(name: str | None) -> None:
    """StanceError for a format that nothing here reads."""
    if name is None or name in FORMATS:
        return
    from stance.read.exports import EXPORTS

    known = (*FORMATS, *(export.name for export in EXPORTS))
    if name not in known:
        raise StanceError(f"--format {name}: no such format: use one of {', '.join(known)}, or leave it out")


def find_format(start: bytes, name: str) -> str:
    """Which of FORMATS a file is, by its first bytes and by how its name ends."""
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(b"WARC/"):
        return "warc"
    text, ending = start.decode("utf-8", "ignore").removeprefix("\ufeff"), name.lower().rpartition(".")[2]
    if ending in ("csv", "tsv"):
        return "csv"
    if ending in ("html", "htm", "xhtml") or HTML_START.match(text):
        return "page"
    if XML_START.match(text):
        return "xml"
    if text.lstrip()[:1] in ("{", "["):
        return _find_json(text, ending)
    return {"jsonl": "rows", "ndjson": "rows", "json": "json"}.get(ending, "text")


def _find_json(text: str, ending: str) -> str:
    """Rows, rows of Reddit, or one value; "text" where it only begins like JSON."""
    line, _, rest = text.strip().partition("\n")
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if isinstance(row, dict):
        if any(keys <= row.keys() for keys in REDDIT_KEYS):
            return "reddit"
        alone = ending == "json" and not rest  # one value, all of it on one line
        return "rows" if ending in ("jsonl", "ndjson") or ("text" in row and not alone) else "json"
    if ending in ("jsonl", "ndjson"):
        return "rows"
    plain = ending in ("txt", "text") and not re.match(r'\s*+[\[{]\s*+["{\[\]}]', text)
    return "text" if plain else "json"


def _read_members(path: Path, options: Options) -> Iterator[Thread]:
    """The threads of a file, or of each file in an archive. Where somebody is told, a broken one costs itself only."""
    members = [_look(name, chunks, options) for name, chunks in open_members(path, None)]
    forms = [form for form, _ in members]
    if "warc" in forms:
        yield from _read_warc(path, options)
        return
    if forms == ["parquet"]:
        from stance.read.parquet import read_parquet

        yield from read_parquet(path, options.columns, options.most or MOST_STREAMED, MOST_BYTES, options.reject)
        return
    most = options.most or (MOST_BYTES if set(forms).isdisjoint(STREAMED) else MOST_STREAMED)
    failed = None
    given = 0
    for (form, is_large), (name, chunks) in zip(members, open_members(path, most), strict=True):
        own = options if len(members) == 1 else _name_member(options, name)
        try:
            for thread in _read_member(form, is_large, chunks, path.with_name(name), path, own):
                given += 1
                yield thread
        except StanceError as error:
            if options.reject is None or len(members) == 1:
                raise
            failed = error
            options.reject(Reject(_place_member(name), name_reason(error, path)))
    if failed is not None and not given:
        raise failed


def _look(name: str, chunks: Iterator[bytes], options: Options) -> tuple[str, bool]:
    """Which of FORMATS a file is, and of a table whether it is too large to be held in memory."""
    size = 0
    held = min(MOST_BYTES, options.most or MOST_BYTES)
    try:
        start = next(chunks, b"")
        form = options.format or find_format(start[:HEAD], name)
        if form in ("rows", "csv"):
            size = len(start)
            while size <= held and (chunk := next(chunks, None)):
                size += len(chunk)
    except StanceError:
        if options.reject is None and not size:
            raise
        form = form if size else "text"  # its reader will meet the same error
    return form, size > MOST_BYTES


def _name_member(options: Options, name: str) -> Options:
    """The options with what is rejected said to be of this file in an archive."""
    reject = options.reject
    if reject is None:
        return options
    place = _place_member(name)
    return replace(options, reject=lambda one: reject(Reject(f"{place}, {one.position}", one.reason)))


def _place_member(name: str) -> str:
    return f"member {' '.join(name.split())[:200]}"


def _read_member(
    form: str, is_large: bool, chunks: Iterator[bytes], member: Path, path: Path, options: Options
) -> Iterator[Thread]:
    """The threads of a file; member is its name, path what an error names."""
    pass_over = options.reject is not None
    if form == "reddit":
        from stance.read.streams import read_reddit

        yield from read_reddit(split_lines(chunks, path, pass_over=pass_over), path, options.reject)
    elif form in ("rows", "csv") and (is_large or pass_over):
        from stance.read.groups import OWN_FORM, Table
        from stance.read.tables import read_csv_stream, read_json_stream

        form = OWN_FORM if form == "rows" else form
        lines = split_lines(open_text(chunks, path), path, pass_over=pass_over)
        read = read_json_stream if form == OWN_FORM else read_csv_stream
        yield from read(lines, Table(path, form, options.reject, is_large), options.columns)
    else:
        yield from _read_whole(form, _hold(chunks, path, options.most or MOST_BYTES), member, path, options)


def _hold(chunks: Iterator[bytes], path: Path, most: int) -> bytes:
    """All the bytes. StanceError if they are more than may be held: beside a stream, an archive's bound is wider."""
    held, size = [], 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size > most:
            raise StanceError(
                f"{path}: more than {most / 2**20:.0f} MB unpacked: split it into its threads, or raise --max-size"
            )
    return b"".join(held)


def _read_whole(form: str, data: bytes, member: Path, path: Path, options: Options) -> Iterator[Thread]:
    """The threads of a file that is held in memory."""
    if form in ("xml", "disqus-xml", "wordpress-xml"):
        from stance.read.exports.feeds import read_xml

        yield from read_xml(data, path, options.reject)
        return
    text, warnings = decode_page(data, path) if form == "page" else decode_bytes(data, path)
    for thread in _read_decoded(form, text, member, path, options):
        yield replace(thread, warnings=(*warnings, *thread.warnings))
        warnings = []


def _read_decoded(form: str, text: str, member: Path, path: Path, options: Options) -> Iterator[Thread]:
    if form == "page":
        from stance.read.pages import read_page

        yield read_page(text, path, options.layout)
    elif form == "rows":
        from stance.read.tables import read_json_lines

        yield from read_json_lines(text, path, options.columns)
    elif form == "csv":
        from stance.read.tables import read_csv

        yield from read_csv(text, path, options.columns)
    elif form == "text":
        from stance.read.text import read_text

        yield replace(read_text(text, path, options.layout), id=member.stem)
    else:
        from stance.read.exports import read_json

        yield from read_json(_parse_json(text, path), path, None if form == "json" else form, options.reject)


def _parse_json(text: str, path: Path) -> object:
    try:
        return json.loads(text)
    except RecursionError:
        problem = "JSON nested too deep"
    except json.JSONDecodeError as error:
        problem = f"not JSON ({error.msg}, line {error.lineno})"
    except ValueError:  # a number of more digits than Python converts
        problem = "JSON with a number that is too long"
    raise StanceError(f"{path}: {problem}: export it again, or name another --format")


def _read_warc(path: Path, options: Options) -> Iterator[Thread]:
    """The threads of the pages in a WARC file that have comments in them."""
    from stance.read.pages import read_page
    from stance.read.streams import read_warc

    warnings: list[str] = []  # of records that were left out
    for number, url, html in read_warc(path, options.most or MOST_BYTES, warnings, options.reject):
        try:
            thread = read_page(html, path, options.layout)
        except StanceError as error:  # its comments are loaded by script
            if options.reject is not None:
                options.reject(Reject(f"record {number}", name_reason(error, path)))
            continue
        if thread.posts:
            yield replace(thread, id=url, warnings=(*warnings, *thread.warnings))
            warnings.clear()
