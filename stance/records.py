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


@dataclass(frozen=True, slots=True)
class Post:
    """One post as the source shows it."""

    id: str  # the source's own id, else the position in the thread as text; unique in the thread
    body: str  # the text of the post, quotes included
    number: str | None = None  # as printed
    author: str | None = None  # as printed; None where the source shows no name (never guessed)
    time: datetime | None = None
    quotes: tuple[Quote, ...] = ()  # in order of start, not overlapping
    reply_to: int | None = None  # position of the post answered
    reply_basis: Literal["markup", "nesting", "number", "quote", "mention"] | None = None
    line: int | None = None  # of the source where the post begins, from 1

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
