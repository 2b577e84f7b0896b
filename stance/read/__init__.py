"""Bytes to loose posts: look at what a file is and hand its text to the reader of that family.

A loose thread has its posts as the source shows them; unmarked quotes, replies and gaps are `stance.thread`'s.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import re
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

from stance.read.tables import Identifier, read_table, split_rows
from stance.read.text import read_text
from stance.records import StanceError, Thread

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ENDINGS", "read_file", "read_rows"]

ENDINGS = (".txt", ".text", ".jsonl", ".ndjson")  # of the files that are taken from a folder

MAXIMUM_BYTES = 64 * 2**20  # a thread of 100,000 long posts; beyond it memory, not time, is the risk

MAGIC = (  # first bytes, what they mean
    (b"%PDF-", "a PDF file"),
    (b"PK\x03\x04", "a zip archive (or an office document)"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"PAR1", "a Parquet file"),
)
BYTE_ORDER_MARKS = (  # UTF-32 before UTF-16: the little-endian mark of one begins like the other's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
CONTROL_BYTES = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b")) + b"\x7f"
MAXIMUM_CONTROL_SHARE = 0.05
STRAY_BYTES = {  # as _decode_utf8 finds them -> Windows-1252, and Latin-1 for the five values that it leaves open
    0xDC00 + byte: bytes([byte]).decode("cp1252", errors="ignore") or chr(byte) for byte in range(128, 256)
}
# Western European text in Windows-1252 has under a tenth of its bytes above 127; Cyrillic or Chinese in an old
# encoding has most of them there, and would come out as noise.
MAXIMUM_LEGACY_SHARE = 0.2

HTML_START = re.compile(  # atomic groups: a page of nothing but comment marks must not be tried in every division
    r"\s*+(?:<\?xml[^>]{0,200}>\s*+)?(?:(?><!--.{0,2000}?-->)\s*+){0,5}<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
EMBEDS = (  # comment systems that load by script: a saved page has none of their comments
    ("Disqus", re.compile(r"disqus\.com/embed|disqus_shortname|disqus_thread|disqus-embed", re.IGNORECASE)),
    ("Coral", re.compile(r"coral_thread|coralproject|coral-display-comments|id=[\"']?coral-", re.IGNORECASE)),
    ("OpenWeb (Spot.IM)", re.compile(r"spot\.im/|data-spotim|openweb\.com", re.IGNORECASE)),
    ("Facebook comments", re.compile(r"fb-comments|fb:comments", re.IGNORECASE)),
    ("Livefyre", re.compile(r"livefyre", re.IGNORECASE)),
)
# Comments written into the page by the server, beside which an embed's script does not matter.
COMMENT_MARKUP = re.compile(
    r"dsq-comment-|d-noscript-comments|comment-(?:body|content|author|text|meta)|comment_?list|<li[^>]{0,200}\bcomment\b"
    r"|schema\.org/Comment|class=[\"'][^\"'>]{0,100}\b(?:comment|post-body|postbody|messageText|bbWrapper)\b",
    re.IGNORECASE,
)


def read_file(path: Path) -> Thread:
    """The loose thread in a file. StanceError if the file holds none that this version reads."""
    data = _load_bytes(path)
    text, warnings = _decode_bytes(data, path)
    if path.suffix.lower() in (".jsonl", ".ndjson") or _starts_with_row(text):
        thread = read_table(text, path)
    else:
        _refuse_other_families(text, path)
        thread = read_text(text, path)
    digest = hashlib.sha256(data).hexdigest()
    return replace(
        thread,
        id=_decode_name(path.stem),
        source=_decode_name(str(path)),
        sha256=digest,
        warnings=(*warnings, *thread.warnings),
    )


def read_rows(path: Path) -> list[tuple[Identifier, str]]:
    """The (id, text) of every row of a JSON-lines file, in file order: each row stands alone, nothing is linked.

    An id comes back as it is, be it string, number or absent (None); ids may repeat.
    """
    text, _ = _decode_bytes(_load_bytes(path), path)
    return [(row.id, row.text) for row in split_rows(text, path)]


def _decode_name(name: str) -> str:
    """The name with U+FFFD for what is not UTF-8: a file's name may hold bytes that no output can be written with."""
    return os.fsencode(name).decode(errors="replace")


def _load_bytes(path: Path) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise StanceError(f"{path}: a directory: pass the files in it, e.g. {path}/*.txt")
        if not stat.S_ISREG(status.st_mode):
            # A pipe or device would be waited for without end.
            raise StanceError(f"{path}: not a regular file: save its content to a file and pass that")
        if status.st_size > MAXIMUM_BYTES:
            sizes = f"{status.st_size / 2**20:.0f} MB, more than the {MAXIMUM_BYTES // 2**20} MB read as one thread"
            raise StanceError(f"{path}: {sizes}: split it into its threads")
        data = path.read_bytes()
    except FileNotFoundError:
        raise StanceError(f"{path}: no such file: check the path") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise StanceError(
            f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}): check the path"
        ) from None
    if not data:
        raise StanceError(f"{path}: an empty file: save the thread again")
    return data


def _decode_bytes(data: bytes, path: Path) -> tuple[str, list[str]]:
    """The text and what to warn of. No character is lost: a byte that is not UTF-8 is read as Windows-1252."""
    for start, kind in MAGIC:
        if data.startswith(start):
            raise StanceError(f"{path}: {kind}, not text: export the thread as .txt or .jsonl and pass that")
    encoding = next((name for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), None)
    warnings: list[str] = []
    if encoding is None or encoding == "utf-8":
        _refuse_binary(data, path)
        text, warnings = _decode_utf8(data.removeprefix(codecs.BOM_UTF8), path)
    else:
        try:
            text = data.decode(encoding).removeprefix("\ufeff")
        except UnicodeDecodeError:
            raise StanceError(f"{path}: broken {encoding.upper()}: save the file again as UTF-8") from None
    if not text.strip():
        raise StanceError(f"{path}: nothing but blank space: save the thread again")
    return text, warnings


def _refuse_binary(data: bytes, path: Path) -> None:
    controls = len(data) - len(data.translate(None, CONTROL_BYTES))
    if b"\0" in data:
        sign = "it has NUL bytes"
    elif controls > MAXIMUM_CONTROL_SHARE * len(data):
        sign = "many control characters"
    else:
        return
    raise StanceError(f"{path}: a binary file ({sign}): export the thread as .txt or .jsonl in UTF-8 and pass that")


def _decode_utf8(data: bytes, path: Path) -> tuple[str, list[str]]:
    try:
        return data.decode(), []
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    text = data.decode(errors="surrogateescape")  # a byte that is not UTF-8 is U+DC00 and its value
    stray = len(data) - len(text.encode(errors="ignore"))
    if stray > MAXIMUM_LEGACY_SHARE * len(data):
        raise StanceError(f"{path}:{line}: neither UTF-8 nor Windows-1252: convert it, e.g. iconv -f CP1251 -t UTF-8")
    # Byte by byte and not the whole file: pages joined from several sources mix both encodings.
    warning = f"not UTF-8 throughout ({stray} bytes, first on line {line}): those were read as Windows-1252"
    return text.translate(STRAY_BYTES), [warning]


def _starts_with_row(text: str) -> bool:
    """Whether the first line is a JSON object with a text, as in a table of posts whatever the file is called."""
    line = text.lstrip().split("\n", 1)[0]
    if not line.startswith("{"):
        return False
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and "text" in row


def _refuse_other_families(text: str, path: Path) -> None:
    """StanceError for a page, an XML or a JSON file: they would read as an article of markup."""
    suffix = path.suffix.lower()
    if suffix in (".html", ".htm", ".xhtml", ".mhtml") or HTML_START.match(text):
        raise _page_error(text, path)
    start = text.lstrip()[:5]
    if start == "<?xml":
        raise StanceError(f"{path}:1: an XML file, not read yet by version 0.1: pass the posts as .txt or .jsonl")
    if suffix == ".json" or (start[:1] in ("{", "[") and _is_json(text)):
        raise StanceError(
            f"{path}:1: JSON, but no table of posts: "
            'write one row {"id": ..., "author": ..., "text": ...} a line and pass that as .jsonl'
        )


def _page_error(text: str, path: Path) -> StanceError:
    if not COMMENT_MARKUP.search(text):
        for system, pattern in EMBEDS:
            if pattern.search(text):
                return StanceError(
                    f"{path}:1: {system} loads its comments by script: the saved page holds none. "
                    "Copy the comments out of the browser into a .txt file, or export them as .jsonl"
                )
    return StanceError(
        f"{path}:1: a saved page, not read yet by version 0.1: save the page's text as .txt and pass that"
    )


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except RecursionError:  # only nested brackets get so deep
        return True
    except ValueError:
        return False
    return True
