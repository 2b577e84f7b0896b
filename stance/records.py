"""The records that flow through the program, and its one error class.

A record is frozen; absence is ``None``; times are aware and in UTC; positions count from 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

STANCES = ("favor", "against", "none")
TOXICITY = ("toxicity", "insult", "threat", "obscene", "identity_attack")
SENTIMENTS = ("negative", "neutral", "positive")

OWN_GAP = "\n\n"  # between the stretches of a post's own words


class StanceError(Exception):
    """Bad input or a broken file. The message is one line: where, what, the next step."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A stretch of a post's body that is somebody else's words."""

    start: int  # first character in the body
    end: int  # one past the last character in the body
    source: int | Literal["article"] | None  # position of the quoted post; None: from outside the thread
    match: Literal["markup", "exact", "close"]  # how it was found


Basis = Literal["markup", "nesting", "number", "quote", "mention"]


@dataclass(frozen=True, slots=True)
class Reply:
    """A link from a post to one that it answers."""

    to: int  # position of the post answered
    basis: Basis  # how the link is known
    confidence: float = 1.0  # 0 to 1: how often a link known like this is right


@dataclass(frozen=True, slots=True)
class Post:
    """One post as the source shows it."""

    id: str  # the source's own id, else the position in the thread as text; unique in the thread
    body: str  # the text of the post, quotes included
    number: str | None = None  # as printed
    author: str | None = None  # as printed; None where the source shows no name (never guessed)
    time: datetime | None = None
    quotes: tuple[Quote, ...] = ()  # in order of start, not overlapping
    replies: tuple[Reply, ...] = ()  # whom it answers, the surest first
    line: int | None = None  # of the source where the post begins, from 1
    language: str | None = None  # ISO 639-1 code of its own words; None: too few words to tell
    confidence: float = 1.0  # 0 to 1: that this is one whole post with the right name

    @property
    def reply_to(self) -> int | None:
        """Position of the post that it answers before others."""
        return self.replies[0].to if self.replies else None

    @property
    def reply_basis(self) -> Basis | None:
        """How the link of ``reply_to`` is known."""
        return self.replies[0].basis if self.replies else None

    @property
    def own_parts(self) -> list[tuple[int, str]]:
        """The stretches between quotes that hold words: where each starts in the body, and its text, stripped."""
        edges = [0, *(edge for quote in self.quotes for edge in (quote.start, quote.end)), len(self.body)]
        found = []
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            part = self.body[start:end]
            if part.strip():
                found.append((start + len(part) - len(part.lstrip()), part.strip()))
        return found

    @property
    def own_words(self) -> str:
        """The body without its quotes, outer blank space stripped."""
        return OWN_GAP.join(text for _, text in self.own_parts)

    def find_in_body(self, start: int, end: int) -> list[tuple[int, int]]:
        """A stretch of ``own_words`` as stretches of the body: more than one where a quote lies in it."""
        found, position = [], 0
        for place, text in self.own_parts:
            first, last = max(start - position, 0), min(end - position, len(text))
            if first < last:
                found.append((place + first, place + last))
            position += len(text) + len(OWN_GAP)
        return found


SpanKind = Literal["title", "article", "blurb", "header", "body", "debris", "outside"]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the source text and what it was read as."""

    start: int  # first character in the decoded source
    end: int  # one past the last
    kind: SpanKind  # header: name, date, number; debris: buttons, scores; outside: of the page, not of the thread
    post: int | None = None  # position of the post that a header or body belongs to


@dataclass(frozen=True, slots=True)
class Reading:
    """How a source was read, for `stance read --explain`."""

    format: str  # "text", "page", "reddit", "disqus-xml", ...: what --format overrides
    layout: str  # of a text its layout, of a page its platform: what --platform overrides
    reason: str  # what decided for the layout, in one line
    confidence: float  # 0 to 1: that posts begin and end where they do and have the right names
    runner_up: str | None = None  # the layout that came next
    dropped: tuple[tuple[str, int], ...] = ()  # what was left out, and how often: ("Reply", 12)
    spans: tuple[Span, ...] = ()  # of a text, all of it in order; of other formats none


@dataclass(frozen=True, slots=True)
class Thread:
    """A saved discussion: the opening text and its posts in source order."""

    id: str  # the file's name without its ending
    source: str | None  # path as given
    sha256: str | None  # of the source's bytes
    title: str | None
    article: str | None  # the opening text, title and blurb left out
    blurb: str | None  # what the source says about the article's author
    posts: tuple[Post, ...]
    gaps: tuple[str, ...] = ()  # post numbers that the source skips
    warnings: tuple[str, ...] = ()  # what a reader of the result must know, one line each
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """A party to a conflict, toward which posts take a stance."""

    name: str  # "Armenia"
    label: str  # "pro-Armenia"
    target: str  # the words that the tagger reads
    aliases: tuple[str, ...] = ()  # other names, for finding mentions


@dataclass(frozen=True, slots=True)
class Topic:
    """What a discussion is about: its sides in the order of every stance list."""

    name: str
    sides: tuple[Side, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A choice among labels, with the probability of each."""

    label: str | None  # None: the tagger abstains
    probabilities: tuple[float, ...]  # sum 1, in the order of STANCES or SENTIMENTS; NaN: not judged


@dataclass(frozen=True, slots=True)
class Tag:
    """What the tagger says of one text."""

    words: int  # how many words were judged
    stance: tuple[Judgement, ...]  # one a side, in the order of the topic; labels of STANCES
    toxicity: tuple[float, ...]  # probability of each attribute, in the order of TOXICITY; NaN: not judged
    sentiment: Judgement  # labels of SENTIMENTS
    mention: float | None = None  # probability that hostile words are reported or condemned; None: not judged
    evidence: tuple[tuple[int, int], ...] | None = None  # stretches of the text that make it toxic; None: not judged
