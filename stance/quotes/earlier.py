"""The words said so far in a thread, and which stretches of a post follow them."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stance.records import Quote

Source = int | Literal["article"]

WORD = re.compile(r"[^\W_]+")  # so case, dashes, quotation marks, spaces and line ends do not matter
TAG_OR_WORD = re.compile(rf"\[/?quote\b[^\]\n]{{0,200}}\]|(?P<word>{WORD.pattern})", re.IGNORECASE)

RUN = 4  # words in an index key, and the shortest quote: of three, too many are said twice by chance
MAXIMUM_PLACES = 16  # kept for a run, the earliest; "at the end of the" stands in every post
RESUME = 3  # words that must agree again after an edit
MAXIMUM_EDIT = 3  # words that an edit changes, drops or adds
LONG = 12  # words in a row that chance does not bring about


@dataclass(frozen=True, slots=True)
class Word:
    text: str  # case folded
    start: int  # in the body
    end: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Words that follow an earlier text."""

    start: int  # first word
    end: int  # one past the last word
    source: Source
    exact: bool  # no edit between


def split_words(text: str) -> list[Word]:
    return [Word(match[0].casefold(), *match.span()) for match in TAG_OR_WORD.finditer(text) if match["word"]]


class Earlier:
    """The words said so far, and where each run of RUN of them stands as somebody's own."""

    def __init__(self) -> None:
        self._words: list[str] = []  # of all texts, an empty one after each so that no match runs on into the next
        self._places: dict[int, list[int]] = {}  # hash of a run -> where it begins in _words, earliest first
        self._starts: list[int] = []  # where each text begins in _words
        self._sources: list[Source] = []

    def add(self, source: Source, words: Sequence[Word], quotes: Sequence[Quote]) -> None:
        """Keep the words that stand in none of the quotes."""
        self._starts.append(len(self._words))
        self._sources.append(source)
        for part in _cut_out(words, quotes):
            offset = len(self._words)
            texts = [word.text for word in part]
            self._words += [*texts, ""]
            for at in range(len(texts) - RUN + 1):
                places = self._places.setdefault(hash(tuple(texts[at : at + RUN])), [])
                if len(places) < MAXIMUM_PLACES:
                    places.append(offset + at)

    def follow(self, texts: Sequence[str], at: int, floor: int) -> Stretch | None:
        """The longest stretch around the run at `at`, not before floor, that an earlier text has.

        Of equals it is the first said. Edits are passed over at the end of the longest alone: tried at every place,
        they took most of the time.
        """
        longest, best = 0, 0
        for place in self._places.get(hash(tuple(texts[at : at + RUN])), ()):
            length = self._agree(texts, at, place)
            if length > longest:
                longest, best = length, place
        if longest < RUN:  # nothing, or another run of the same hash
            return None
        start, back = at, best
        while start > floor and back > 0 and texts[start - 1] == self._words[back - 1]:
            start, back = start - 1, back - 1
        end, place, exact = at + longest, best + longest, True
        while (step := self._pass_edit(texts, end, place)) is not None:
            agreed = self._agree(texts, end + step[0], place + step[1])
            end, place, exact = end + step[0] + agreed, place + step[1] + agreed, False
        return Stretch(start, end, self._sources[bisect_right(self._starts, best) - 1], exact)

    def _agree(self, texts: Sequence[str], at: int, place: int) -> int:
        """How many words from here on are the same."""
        said, length, limit = self._words, 0, len(texts) - at
        while length < limit and texts[at + length] == said[place + length]:
            length += 1
        return length

    def _pass_edit(self, texts: Sequence[str], at: int, place: int) -> tuple[int, int] | None:
        """The fewest words to pass over in each so that RESUME words agree again, within the same earlier text."""
        said = self._words
        for total in range(1, 2 * MAXIMUM_EDIT + 1):
            for skip in range(max(0, total - MAXIMUM_EDIT), min(MAXIMUM_EDIT, total) + 1):
                here, there = at + skip, place + total - skip
                if (
                    list(texts[here : here + RESUME]) == said[there : there + RESUME]
                    and here + RESUME <= len(texts)
                    and "" not in said[place : there + RESUME]
                ):
                    return skip, total - skip
        return None


def _cut_out(words: Sequence[Word], quotes: Sequence[Quote]) -> list[list[Word]]:
    """The words before, between and after the quotes."""
    parts: list[list[Word]] = [[]]
    following = iter(quotes)
    quote = next(following, None)
    for word in words:
        while quote is not None and word.start >= quote.end:
            quote = next(following, None)
            parts.append([])
        if quote is None or word.start < quote.start:
            parts[-1].append(word)
    return parts


def follow_all(texts: Sequence[str], earlier: Earlier) -> list[Stretch]:
    """The stretches of a post that earlier texts have, in order and apart: where two meet, the longer has the words."""
    stretches: list[Stretch] = []
    at = floor = 0
    while at <= len(texts) - RUN:
        stretch = earlier.follow(texts, at, floor)
        if stretch is None:
            at += 1
            continue
        while stretches and stretch.start < stretches[-1].end:
            last = stretches.pop()
            if stretch.end - stretch.start <= last.end - last.start:
                stretch = replace(stretch, start=min(last.end, stretch.end))
                stretches.append(last)
            elif last.start < stretch.start:
                stretches.append(replace(last, end=stretch.start))
        stretches.append(stretch)
        # A few words may agree by chance where a quote is about to begin: step back into them, not over them.
        is_long = stretch.end - stretch.start >= LONG
        at = stretch.end if is_long else max(at + 1, stretch.end - RUN + 1)
        floor = stretch.end if is_long else floor
    return [stretch for stretch in stretches if stretch.start < stretch.end]
