"""Comment HTML to plain text: paragraphs kept apart, quote boxes marked as stretches of the text.

Every platform's quote box is known here by its own class, whichever page or export it comes from. The walk over the
nodes is a loop with its own stack: nesting depth is the writer's choice, and Python's recursion ends at a thousand.
"""

from __future__ import annotations

import html as entities
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from stance.read.fences import tame_markup
from stance.records import Post, Quote, Reply

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

QUOTE_CONFIDENCE = 0.95  # that a post answers the one it quotes

DROPPED = frozenset(
    ("script", "style", "template", "noscript", "svg", "button", "input", "select", "textarea", "iframe", "audio")
).union(("video", "canvas", "head", "title", "-comment", "!doctype"))
# A block begins a line, those with margins a paragraph.
LINES = frozenset(
    ("div", "li", "tr", "dd", "dt", "section", "article", "header", "footer", "aside", "figure", "figcaption", "form")
).union(("fieldset", "center", "address", "main", "nav", "details", "summary"))
PARAGRAPHS = frozenset(("p", "blockquote", "pre", "ul", "ol", "dl", "table", "h1", "h2", "h3", "h4", "h5", "h6", "hr"))

QUOTE_CLASSES = frozenset(("bbCodeQuote", "bbcode_quote", "ipsQuote", "ipsBlockquote", "quotecontent", "gmail_quote"))
QUOTE_HEADS = frozenset(("quoteheader", "quotetitle"))  # of SMF and phpBB 2: stand before the box they belong to
MORE_LINKS = frozenset(  # "Click to expand..." and what else belongs to the box, not to the words
    ("bbCodeBlock-expandLink", "bbCodeBlock-shrinkLink", "quoteExpand", "quotefooter", "botslice_quote")
).union(("quote-controls",))
EXPAND = re.compile(r"\s*Click to expand(?:\.\.\.|…)?\s*", re.IGNORECASE)
SMILEY = re.compile(r"[^\s\w]{1,8}")  # as an image's text: a face is kept, ":mad:" and "photo.jpg" are not

NAME_ATTRIBUTES = ("data-quote", "data-author", "data-username", "data-ipsquote-username")
ID_ATTRIBUTES = ("data-source", "data-post", "data-ipsquote-contentcommentid", "data-cid", "data-post-id")
ID_IN_ATTRIBUTE = re.compile(r"(?:(?P<kind>[a-z]+):\s*)?(?P<id>[\w-]{1,40})", re.IGNORECASE)
ID_IN_LINK = re.compile(r"#(?:entry-?|post-?|msg|comment-?|p)(\d{1,20})\b|[?&;](?:comment|p|pid)=(\d{1,20})\b")
# The line at the head of a box. What stands around the name is the platform's; its languages are many, so a name also
# comes from the attributes, or from the link in a <cite>.
ATTRIBUTION = re.compile(
    r"\s*(?:Originally\s+posted\s+by:?\s+(?P<posted>\S.{0,60}?)\s*(?:View\s+Post|↑|»|$)"
    r"|Quote\s+from:?\s+(?P<from>\S.{0,60}?)\s+on\s+.{0,60}"
    r"|(?:On\s.{4,60},\s)?(?P<said>\S.{0,60}?)\s+(?:wrote|said|writes|says|schrieb|hat\s+geschrieben|a\s+écrit"
    r"|escribió|ha\s+scritto|писал(?:\(а\))?|napisał(?:\(a\))?)\s*:?\s*↑?)\s*",
    re.IGNORECASE,
)

BLANK = re.compile(r"[ \t\n\r\f\v\xa0]+")
UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]")
SURROGATE = re.compile("[\ud800-\udfff]")
ATTRIBUTION_LENGTH = 200  # characters; a longer first line is the quote itself


@dataclass(frozen=True, slots=True)
class MarkedQuote:
    """A quote box's stretch of the text, and what the box says of where the words are from."""

    start: int  # first character in the text
    end: int  # one past the last
    ref: str | None = None  # the quoted post's id as the source has it
    author: str | None = None  # who is named
    topic: str | None = None  # the thread that ref is in, where the box says so (Discourse)


@dataclass(frozen=True, slots=True)
class Marked:
    """The text of a fragment and its quotes, in order and apart."""

    body: str
    quotes: tuple[MarkedQuote, ...] = ()


def read_markup(fragment: str, keep_lines: bool = False) -> Marked:
    """The text of a fragment of HTML. With keep_lines a line feed in it breaks the line (WXR), else it is a space."""
    if "<" not in fragment:
        writer = _Writer(keep_lines)
        writer.add_text(entities.unescape(SURROGATE.sub("\ufffd", fragment)).replace("\0", ""))
        return writer.finish()
    from selectolax.lexbor import LexborHTMLParser

    body = LexborHTMLParser(tame_markup(fragment)).body
    return read_node(body, keep_lines=keep_lines) if body is not None else Marked("")


def read_node(root: LexborNode, stop: Collection[int] = (), keep_lines: bool = False) -> Marked:
    """The text below a node, without the nodes whose mem_id is in stop (posts that lie inside this one)."""
    writer = _Writer(keep_lines)
    opened: list[_Open] = []
    node = root.first_child
    while node is not None:
        tag = node.tag
        if tag == "-text":
            writer.add_text(node.text_content or "")
        elif tag and tag not in DROPPED and node.mem_id not in stop:
            entered = writer.enter(node, tag)
            if entered is not None:
                child = node.first_child
                if child is not None:
                    opened.append(entered)
                    node = child
                    continue
                writer.leave(entered)
        following = node.next
        while following is None and opened:
            node = node.parent
            if node is None:
                break
            writer.leave(opened.pop())
            following = node.next
        node = following
    return writer.finish()


def read_name(text: str | None) -> str | None:
    """A name on one line, without what has no width; None where nothing is left."""
    return " ".join(UNSEEN.sub("", text or "").split()) or None


def link_quotes(
    posts: Sequence[Post],
    marked: Sequence[Sequence[MarkedQuote]],
    positions: Mapping[str, int],
    topic: str | None = None,
) -> tuple[Post, ...]:
    """The posts with their quotes, of each the source by its ref, and what has no reply answering whom it quotes.

    positions: of the posts' ids as the quotes name them. topic: the thread's own id, as MarkedQuote.topic has it.
    """
    linked = []
    for place, (post, quotes) in enumerate(zip(posts, marked, strict=True)):
        sources = [_find_source(quote, place, positions, topic) for quote in quotes]
        found = tuple(
            Quote(quote.start, quote.end, source, "markup") for quote, source in zip(quotes, sources, strict=True)
        )
        answered = dict.fromkeys(source for source in sources if source is not None)
        replies = post.replies or tuple(Reply(source, "quote", QUOTE_CONFIDENCE) for source in answered)
        linked.append(replace(post, quotes=found, replies=replies) if quotes else post)
    return tuple(cut_circles(linked)[1])


def cut_circles(posts: list[Post]) -> tuple[int, list[Post]]:
    """The posts with no chain of replies that comes back to itself, and how many links were cut for it."""
    done: set[int] = set()
    cut = 0
    for start in range(len(posts)):
        way: set[int] = set()
        place: int | None = start
        while place is not None and place not in done:
            way.add(place)
            parent = posts[place].reply_to
            if parent is not None and parent in way:
                posts[place] = replace(posts[place], replies=())
                cut, parent = cut + 1, None
            place = parent
        done |= way
    return cut, posts


def _find_source(quote: MarkedQuote, place: int, positions: Mapping[str, int], topic: str | None) -> int | None:
    if quote.ref is None or (quote.topic is not None and topic is not None and quote.topic != topic):
        return None
    source = positions.get(quote.ref)
    return None if source == place else source


@dataclass(slots=True)
class _Box:
    """A quote box being read."""

    ref: str | None
    author: str | None
    topic: str | None
    is_head: bool
    start: int | None = None  # of its first words; None: no words yet


@dataclass(frozen=True, slots=True)
class _Open:
    """An element being read: what its end brings."""

    breaks: int  # line feeds after it
    is_pre: bool
    is_quote: bool
    is_cite: bool


@dataclass(slots=True)
class _Writer:
    """The text as it grows; blank space waits until words follow it."""

    keep_lines: bool
    _parts: list[str] = field(default_factory=list)
    _length: int = 0
    _breaks: int = 0  # line feeds that wait
    _space: bool = False  # a space waits
    _fresh_break: bool = False  # a <br> came last: the line feed behind it in the source is none of its own
    _pre: int = 0  # depth
    _depth: int = 0  # of quotes
    _cite: int = 0  # depth
    _box: _Box | None = None
    _quotes: list[tuple[MarkedQuote, bool]] = field(default_factory=list)  # with: a head alone

    def enter(self, node: LexborNode, tag: str) -> _Open | None:
        """Open an element; None if nothing of it is to be read."""
        if tag == "br":
            self._breaks, self._fresh_break = min(self._breaks + 1, 2), True
            return None
        attributes = node.attributes
        classes = (attributes.get("class") or "").split() if attributes else ()
        if attributes and (_is_hidden(attributes) or not MORE_LINKS.isdisjoint(classes)):
            return None
        if tag == "img":
            if SMILEY.fullmatch(attributes.get("alt") or ""):
                self.add_text(attributes.get("alt") or "")
            return None
        is_quote = _is_quote(node, tag, classes)
        is_head = tag == "cite" and self._box is not None  # a line of its own in a box, elsewhere part of one
        breaks = 2 if tag in PARAGRAPHS or is_quote else 1 if tag in LINES or is_head else 0
        if tag in ("td", "th"):
            self._space = True
        self._breaks = max(self._breaks, breaks)
        opened = _Open(breaks, tag == "pre", is_quote, tag == "cite")
        self._pre += opened.is_pre
        self._cite += opened.is_cite
        if is_quote:
            self._open_box(attributes, not QUOTE_HEADS.isdisjoint(classes))
        elif self._box is not None and attributes:
            self._note_attributes(node, tag, attributes)
        return opened

    def leave(self, opened: _Open) -> None:
        self._breaks = max(self._breaks, opened.breaks)
        self._pre -= opened.is_pre
        self._cite -= opened.is_cite
        if opened.is_quote:
            self._depth -= 1
            if self._depth == 0:
                self._close_box()

    def add_text(self, text: str) -> None:
        if self._box is not None and EXPAND.fullmatch(text):
            return
        if self._pre:
            self._add_lines(text.replace("\xa0", " "))
        elif self.keep_lines and "\n" in text:
            lines = BLANK.sub(_keep_breaks, text).split("\n")
            if self._fresh_break and not lines[0].strip():
                lines = lines[1:]
            for at, line in enumerate(lines):
                if at:
                    self._breaks = min(self._breaks + 1, 2)
                self._add_words(line)
        else:
            self._add_words(BLANK.sub(" ", text))

    def finish(self) -> Marked:
        if self._box is not None:  # never closed in the walk
            self._close_box()
        return Marked("".join(self._parts), tuple(quote for quote, _ in self._quotes))

    def _add_lines(self, text: str) -> None:
        """Preformatted text: its blank space counts."""
        for at, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")):
            if at:
                self._breaks = min(self._breaks + 1, 2)
            if line.strip():
                self._put(line)
                self._space = False

    def _add_words(self, text: str) -> None:
        """Text whose blank space is single spaces already."""
        words = text.strip(" ")
        if not words:
            self._space = self._space or bool(text)
            return
        self._space = self._space or text[0] == " "
        self._put(words)
        self._space = text[-1] == " "

    def _put(self, words: str) -> None:
        if self._breaks and self._length:
            gap = "\n" * self._breaks
        else:
            gap = " " if self._space and self._length and not self._breaks else ""
        self._breaks, self._space, self._fresh_break = 0, False, False
        if self._box is not None and self._box.start is None:
            self._box.start = self._length + len(gap)
        self._parts.append(gap + words)
        self._length += len(gap) + len(words)

    def _open_box(self, attributes: Mapping[str, str | None], is_head: bool) -> None:
        self._depth += 1
        if self._depth == 1:
            self._box = _Box(None, None, None, is_head)
        if self._box is not None and (self._depth == 1 or self._box.start is None):
            self._note_box(self._box, attributes)

    def _note_box(self, box: _Box, attributes: Mapping[str, str | None]) -> None:
        """Keep what a box's own attributes say, where none further out has said it."""
        for key in NAME_ATTRIBUTES:
            box.author = box.author or read_name(attributes.get(key))
        for key in ID_ATTRIBUTES:
            match = ID_IN_ATTRIBUTE.fullmatch((attributes.get(key) or "").strip())
            if match and box.ref is None and (match["kind"] or "post").lower() == "post":
                box.ref = match["id"]
        box.topic = box.topic or attributes.get("data-topic") or None

    def _note_attributes(self, node: LexborNode, tag: str, attributes: Mapping[str, str | None]) -> None:
        """Keep what a link at the head of a box says."""
        box = self._box
        if box is None or tag != "a" or not self._at_head(box):
            return
        link = ID_IN_LINK.search(attributes.get("href") or "")
        if link and box.ref is None:
            box.ref = link[1] or link[2]
        elif self._cite and box.author is None and not link:
            box.author = read_name(node.text(deep=True))

    def _at_head(self, box: _Box) -> bool:
        """Whether the box's first line is still being read."""
        if box.start is None:
            return True
        return self._breaks == 0 and self._length - box.start < ATTRIBUTION_LENGTH

    def _close_box(self) -> None:
        box, self._box = self._box, None
        if box is None or box.start is None:
            return
        if box.author is None:
            box.author = _find_named("".join(self._parts)[box.start :])
        quote = MarkedQuote(box.start, self._length, box.ref, box.author, box.topic)
        if self._quotes and self._quotes[-1][1] and self._quotes[-1][0].end + 2 >= quote.start and not box.is_head:
            head = self._quotes.pop()[0]
            quote = MarkedQuote(
                head.start, quote.end, head.ref or quote.ref, head.author or quote.author, head.topic or quote.topic
            )
        self._quotes.append((quote, box.is_head))


def _find_named(text: str) -> str | None:
    """Who is named at the head of a box's text."""
    match = ATTRIBUTION.fullmatch(text[:ATTRIBUTION_LENGTH].split("\n", 1)[0])
    return read_name(match["posted"] or match["from"] or match["said"]) if match else None


def _keep_breaks(match: re.Match[str]) -> str:
    return "\n" * min(match[0].count("\n"), 2) or " "


def _is_hidden(attributes: Mapping[str, str | None]) -> bool:
    if "hidden" in attributes:
        return True
    style = attributes.get("style")
    return style is not None and re.search(r"display\s*:\s*none|visibility\s*:\s*hidden", style) is not None


def _is_quote(node: LexborNode, tag: str, classes: Sequence[str]) -> bool:
    if tag == "blockquote" or not (QUOTE_CLASSES | QUOTE_HEADS).isdisjoint(classes):
        return True
    if tag in ("aside", "td"):
        return "quote" in classes
    return tag == "div" and not classes and _is_old_box(node)


def _is_old_box(node: LexborNode) -> bool:
    """vBulletin 3: a div with the small word "Quote:" and a table of one cell. Of code boxes the second is a pre."""
    children = [child for child in node.iter() if child.tag != "-comment"][:3]
    return (
        len(children) == 2
        and children[1].tag == "table"
        and "smallfont" in (children[0].attributes.get("class") or "").split()
    )
