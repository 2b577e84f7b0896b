"""XML exports to loose threads: Disqus, and WordPress (WXR). Only those are read; a feed of other XML is refused.

The parser mends broken XML where it can, opens no other file, and keeps one element at a time. A document that declares
entities is refused: no export has them, and a few lines of them unfold to gigabytes.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from io import BytesIO
from typing import TYPE_CHECKING, Any

from stance.read.exports.comments import Comment, Draft, take_name, take_text, take_title
from stance.read.rejects import Reject
from stance.read.source import decode_bytes
from stance.records import StanceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from stance.read.rejects import Refuse
    from stance.records import Thread

DISQUS, WORDPRESS = "disqus-xml", "wordpress-xml"
FORMS = {"disqus": DISQUS, "rss": WORDPRESS}
READ = ("{*}disqus", "{*}rss", "{*}thread", "{*}post", "{*}item")
OUTER = {"disqus", "rss", "channel", "item"}  # where a cut-off file may end without its last comment being cut
# A declared encoding that is neither UTF-8 nor told by a byte order mark: WordPress writes the blog's.
OLD_ENCODING = re.compile(
    rb"\s*<\?xml[^>]{0,100}?encoding=[\"']((?:iso-8859-|windows-|cp|koi8-|gb|big5|euc-|shift)[\w-]{1,12})",
    re.IGNORECASE,
)
# What the parser ends at, or loses a whole text for: control signs, a "<" that begins no tag (but in CDATA, which it
# takes as it is), numbers of signs that XML has not.
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
UNFIT = re.compile(
    r"<!\[CDATA\[(?:.*?\]\]>|.*)|<(?![^\W\d]|[/!?:])|&#(?:x(?P<hex>[0-9a-f]{1,6})|(?P<decimal>[0-9]{1,7}));",
    re.DOTALL | re.IGNORECASE,
)
UNCLOSED = re.compile(r"Premature end of data in tag (\S+)")
ORPHAN = "of no thread in the file"
INTERNAL = "{http://disqus.com/disqus-internals}id"
BREAKS = re.compile(r"<(?:p|br|div)\b", re.IGNORECASE)
APPROVED, HELD = {"1", "approve", "approved", None}, {"0", "hold"}  # of wp:comment_approved; else "spam", "trash"


def read_xml(data: bytes, path: Path, reject: Refuse | None = None) -> Iterator[Thread]:
    """The loose threads of an export that have comments, in file order. StanceError if there are none."""
    text, warnings = _decode(data, path)
    source = _Elements(text, path)
    drafts: dict[str | None, Draft] = {}
    outside: Counter[str] = Counter()  # what belongs to no thread: it is said with the first
    number = 0
    for number, element in enumerate(source, start=1):
        if source.form == DISQUS:
            orphans = outside[ORPHAN]
            _read_disqus(element, drafts, outside)
            if reject is not None and outside[ORPHAN] > orphans:
                reject(Reject(f"record {number}", "a comment of no thread in the file"))
        elif _name(element) == "item":
            draft = _read_item(element)
            drafts[f"{draft.id} {len(drafts)}"] = draft
    if reject is not None and source.is_cut:
        reject(Reject(f"record {number + 1}", "cut off by the file's end"))
    filled = [draft for draft in drafts.values() if draft.posts]
    for draft in drafts.values():
        if not draft.posts:
            outside.update(draft.dropped)
    if not filled:
        left = ", ".join(f"{what} ({count})" for what, count in outside.items())
        left = left and f", left out: {left}"
        raise StanceError(f"{path}: no comments{left}: export again, with the comments, and pass that file")
    filled[0].dropped.update(outside)
    filled[0].warnings += [*warnings, *source.warnings]
    for draft in filled:
        yield draft.finish(path, source.form, f"its outermost element is {source.root}")


def _decode(data: bytes, path: Path) -> tuple[str, list[str]]:
    """The document as text that the parser can read to its end, and what to warn of."""
    named = OLD_ENCODING.match(data)
    if named is None:
        text, warnings = decode_bytes(data, path)
    else:
        try:
            text, warnings = data.decode(named[1].decode(), "replace"), []
        except LookupError:
            raise StanceError(f"{path}:1: no encoding is called {named[1]!r}: save the file again as UTF-8") from None
    return UNFIT.sub(_mend, CONTROL.sub(" ", text)), warnings


def _mend(match: re.Match[str]) -> str:
    """What the parser can read in place of a match of UNFIT."""
    if match[0] == "<":
        return "&lt;"
    if match[0].startswith("<"):
        return match[0]
    number = int(match["hex"], 16) if match["hex"] else int(match["decimal"])
    fits = number in (9, 10, 13) or 32 <= number < 0xD800 or 0xE000 <= number < 0xFFFE or 0x10000 <= number < 0x110000
    return match[0] if fits else "\ufffd"


class _Elements:
    """The elements of READ as they end, each whole; a comment that the file's end cuts is taken out of the last."""

    def __init__(self, text: str, path: Path) -> None:
        self.text, self.path = text, path
        self.root = self.form = ""
        self.warnings: list[str] = []
        self.is_cut = False  # whether the file's end cut one

    def __iter__(self) -> Iterator[Any]:
        from lxml import etree

        events = etree.iterparse(
            BytesIO(self.text.encode("utf-8", "replace")),
            encoding="utf-8",  # whatever the document declares
            events=("start", "end"),
            tag=READ,
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            recover=True,
        )
        held = None  # the last that ended: whether the file's end cuts it is known later
        try:
            for event, element in events:
                if event == "start":
                    self._check_root(element)
                elif _is_record(element):
                    if held is not None:
                        yield held
                        _forget(held)
                    held = element
        except etree.XMLSyntaxError as error:
            self.warnings.append(f"broken XML ({error.msg}): what comes before is read")
        if not self.form:
            raise StanceError(
                f"{self.path}:1: not XML: pass an export of Disqus or WordPress (.xml), or the page itself"
            )
        unclosed = self._note_errors(events.error_log)
        if held is not None and (unclosed is None or _cut_last(held, unclosed)):
            yield held

    def _check_root(self, element: Any) -> None:
        """StanceError unless the outermost element is an export's, in a document without entities."""
        if self.form:
            return
        document = element.getroottree()
        if document.docinfo.internalDTD is not None and any(document.docinfo.internalDTD.iterentities()):
            raise StanceError(f"{self.path}:1: XML that declares entities, as no export does: export it again")
        self.root = _name(document.getroot())
        if self.root not in FORMS:
            raise StanceError(
                f"{self.path}:1: XML of <{self.root}>, not an export that is read: "
                "pass the XML of Disqus or WordPress, or the posts as .jsonl"
            )
        self.form = FORMS[self.root]

    def _note_errors(self, log: Iterable[Any]) -> str | None:
        """Keep a warning of the first error; the innermost element that the file's end leaves open, if any."""
        unclosed = None
        errors = [error for error in log if error.type_name != "ERR_TAG_NOT_FINISHED"]
        for error in log:
            if match := UNCLOSED.search(error.message):
                unclosed = match[1].rpartition(":")[2]
        self.is_cut = unclosed is not None
        if self.is_cut:
            self.warnings.append("cut off: the file ends before its last element does, and what is whole is read")
        elif errors:
            self.warnings.append(
                f"line {errors[0].line}: broken XML ({errors[0].message.strip()}), {len(errors)} errors in all: "
                "comments near them may lack words"
            )
        return unclosed


def _is_record(element: Any) -> bool:
    """Whether an element stands for itself: in Disqus's posts another <thread> names the thread.

    Where a tag that never ends has drawn the elements behind it into itself, they still do.
    """
    parent = element.getparent()
    return parent is not None and not (_name(element) == "thread" and _name(parent) == "post")


def _cut_last(element: Any, unclosed: str) -> bool:
    """Take out of the last element what the file's end has cut; whether anything is left."""
    if unclosed in OUTER:
        return True
    if _name(element) != "item":
        return False
    comments = element.findall("{*}comment")
    if comments:
        element.remove(comments[-1])
    return True


def _forget(element: Any) -> None:
    element.clear()
    parent = element.getparent()
    while element.getprevious() is not None:
        del parent[0]


def _read_disqus(element: Any, drafts: dict[str | None, Draft], outside: Counter[str]) -> None:
    """Take a thread, or a post of one that came before."""
    if _name(element) == "thread":
        key = element.get(INTERNAL)
        draft = Draft(_text(element, "id") or key, take_title(_text(element, "title")))
        draft.article = draft.take_markup(_text(element, "message")).body or None
        drafts.setdefault(key, draft)
        return
    reference = element.find("{*}thread")
    draft_found = None if reference is None else drafts.get(reference.get(INTERNAL))
    if draft_found is None:
        outside[ORPHAN] += 1
        return
    if left_out := _judge_disqus(element):
        draft_found.dropped[left_out] += 1
        return
    message, author, parent = _text(element, "message") or "", element.find("{*}author"), element.find("{*}parent")
    marked = draft_found.take_markup(message, keep_lines=BREAKS.search(message) is None)
    name = None if author is None else take_name(_text(author, "name")) or take_name(_text(author, "username"))
    draft_found.add(
        Comment(
            id=element.get(INTERNAL) or _text(element, "id"),
            body=marked.body,
            author=name,
            time=draft_found.take_time(_text(element, "createdAt")),
            parent=None if parent is None else parent.get(INTERNAL),
            quotes=marked.quotes,
        )
    )


def _judge_disqus(element: Any) -> str | None:
    """Why a post is left out; None if it is shown."""
    flags = {name: (_text(element, name) or "").strip().lower() for name in ("isSpam", "isDeleted", "isApproved")}
    if flags["isSpam"] == "true":
        return "spam"
    if flags["isDeleted"] == "true":
        return "deleted"
    return "not approved" if flags["isApproved"] == "false" else None


def _read_item(item: Any) -> Draft:
    """A page or article of WordPress with its comments."""
    draft = Draft(_text(item, "post_id"), take_title(_text(item, "title")))
    comments = item.findall("{*}comment")
    if comments:  # else its text is not needed, and most of a file is such text
        contents = [child for child in item.iterfind("{*}encoded") if "content" in child.tag.partition("}")[0]]
        draft.article = draft.take_markup(_inner(contents[0]), keep_lines=True).body or None if contents else None
    for comment in comments:
        if left_out := _judge_wordpress(comment):
            draft.dropped[left_out] += 1
            continue
        marked = draft.take_markup(_text(comment, "comment_content"), keep_lines=True)
        parent = _text(comment, "comment_parent")
        draft.add(
            Comment(
                id=_text(comment, "comment_id"),
                body=marked.body,
                author=take_name(html.unescape(_text(comment, "comment_author") or "")),
                time=_read_wordpress_time(comment, draft),
                parent=None if parent == "0" else parent,
                quotes=marked.quotes,
            )
        )
    return draft


def _judge_wordpress(comment: Any) -> str | None:
    kind, approved = _text(comment, "comment_type"), _text(comment, "comment_approved")
    if kind not in (None, "comment"):
        return f"{kind}s" if kind in ("pingback", "trackback") else "notes of other kinds"
    if approved in APPROVED:
        return None
    return "not approved" if approved in HELD else "deleted" if "trash" in str(approved) else "spam"


def _read_wordpress_time(comment: Any, draft: Draft) -> Any:
    universal = _text(comment, "comment_date_gmt")
    if universal is None or universal.startswith("0000"):
        return draft.take_time(_text(comment, "comment_date"))
    return draft.take_time(universal)


def _name(element: Any) -> str:
    """An element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _text(element: Any, name: str) -> str | None:
    """The text of a child; None where it is empty or not there."""
    child = element.find(f"{{*}}{name}")
    return None if child is None else _inner(child).strip() or None


def _inner(element: Any) -> str:
    return take_text("".join(element.itertext())) or ""
