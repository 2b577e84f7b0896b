"""Bytes to loose posts: look at what a file is and hand its text to the reader of that family.

A loose thread has its posts as the source shows them; unmarked quotes, replies and gaps are `stance.thread`'s.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from stance.read.source import decode_bytes, decode_name, load_bytes
from stance.read.tables import Identifier, read_table, split_rows
from stance.read.text import read_text
from stance.records import StanceError, Thread

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ENDINGS", "read_file", "read_rows"]

ENDINGS = (".txt", ".text", ".jsonl", ".ndjson")  # of the files that are taken from a folder

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
    data = load_bytes(path)
    text, warnings = decode_bytes(data, path)
    if path.suffix.lower() in (".jsonl", ".ndjson") or _starts_with_row(text):
        thread = read_table(text, path)
    else:
        _refuse_other_families(text, path)
        thread = read_text(text, path)
    digest = hashlib.sha256(data).hexdigest()
    return replace(
        thread,
        id=decode_name(path.stem),
        source=decode_name(str(path)),
        sha256=digest,
        warnings=(*warnings, *thread.warnings),
    )


def read_rows(path: Path) -> list[tuple[Identifier, str]]:
    """The (id, text) of every row of a JSON-lines file, in file order: each row stands alone, nothing is linked.

    An id comes back as it is, be it string, number or absent (None); ids may repeat.
    """
    text, _ = decode_bytes(load_bytes(path), path)
    return [(row.id, row.text) for row in split_rows(text, path)]


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
