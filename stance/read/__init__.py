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
from stance.read.rows import Columns, Identifier
from stance.read.source import (
    check_file,
    decode_bytes,
    decode_name,
    decode_page,
    hash_file,
)
from stance.read.tables import read_csv, read_json_lines, read_parquet, split_rows
from stance.read.text import read_text
from stance.records import StanceError, Thread

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ENDINGS", "FORMATS", "Columns", "Options", "read_rows", "read_threads"]

# Of the files that are taken from a folder.
ENDINGS = (
    *(".txt", ".text", ".html", ".htm", ".xhtml", ".xml", ".json", ".jsonl", ".ndjson"),
    *(".csv", ".tsv", ".parquet", ".zst", ".gz", ".zip", ".warc"),
)
FORMATS = ("text", "page", "rows", "csv", "parquet", "reddit", "json", "xml", "disqus-xml", "wordpress-xml", "warc")

MOST_BYTES = 64 * 2**20  # of a file that is held in memory: a thread of 100,000 long posts
MOST_STREAMED = 64 * 2**30  # of one that is not: a month of Reddit's comments in 2012
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


def read_threads(path: Path, options: Options | None = None) -> Iterator[Thread]:
    """The loose threads of a file or of a ConvoKit folder, in its order. StanceError if it holds none that is read.

    The id of a file's only thread is the file's name; of several, that and their own ids.
    """
    options = options or Options()
    if path.is_dir():
        from stance.read.corpus import read_corpus

        threads, digest = read_corpus(path), None
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
    """The threads of a file, or of each file in an archive."""
    names = [(name, next(chunks, b"")[:HEAD]) for name, chunks in open_members(path, None)]
    forms = [options.format or find_format(start, name) for name, start in names]
    if "warc" in forms:
        yield from _read_warc(path, options)
        return
    if forms == ["parquet"]:
        yield from read_parquet(path, options.columns, options.most)
        return
    most = options.most or (MOST_STREAMED if "reddit" in forms else MOST_BYTES)
    for form, (name, chunks) in zip(forms, open_members(path, most), strict=True):
        if form == "reddit":
            from stance.read.streams import read_reddit

            yield from read_reddit(split_lines(chunks, path), path)
        else:
            yield from _read_whole(form, b"".join(chunks), path.with_name(name), path, options)


def _read_whole(form: str, data: bytes, member: Path, path: Path, options: Options) -> Iterator[Thread]:
    """The threads of a file that is held in memory; member is its name, path what an error names."""
    if form in ("xml", "disqus-xml", "wordpress-xml"):
        from stance.read.exports.feeds import read_xml

        yield from read_xml(data, path)
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
        yield from read_json_lines(text, path, options.columns)
    elif form == "csv":
        yield from read_csv(text, path, options.columns)
    elif form == "text":
        yield replace(read_text(text, path, options.layout), id=member.stem)
    else:
        from stance.read.exports import read_json

        yield from read_json(_parse_json(text, path), path, None if form == "json" else form)


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
    for url, html in read_warc(path, options.most or MOST_BYTES, warnings):
        try:
            thread = read_page(html, path, options.layout)
        except StanceError:  # its comments are loaded by script
            continue
        if thread.posts:
            yield replace(thread, id=url, warnings=(*warnings, *thread.warnings))
            warnings.clear()
