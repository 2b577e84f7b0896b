"""The words said so far in a thread, and which stretches of a post follow them."""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stance.records import Quote

Source = int | Literal["article"]
Words = tuple[str, ...]  # of a text, case folded
Run = tuple[int, int]  # RUN words of a text: where they begin in it, and the number that stands for them

WORD = re.compile(r"[^\W_]+")  # so case, dashes, quotation marks, spaces and line ends do not matter
TAG_OR_WORD = re.compile(rf"\[/?quote\b[^\]\n]{{0,200}}\]|(?P<word>{WORD.pattern})", re.IGNORECASE)
# What WORD finds in ASCII and its case folded, in a fifth of the time: one call in place of one a word.
ASCII_WORDS = "".join(chr(code).lower() if chr(code).isalnum() else " " for code in range(128))

RUN = 4  # words in an index key, and the shortest quote: of three, too many are said twice by chance
MAXIMUM_PLACES = 16  # kept for a run, the earliest; "at the end of the" stands in every post
RESUME = 3  # words that must agree again after an edit
MAXIMUM_EDIT = 3  # words that an edit changes, drops or adds
LONG = 12  # words in a row that chance does not bring about
MIX = 0x9E3779B97F4A7C15  # odd, without a pattern: the order of words decides the number of a run


@dataclass(frozen=True, slots=True)
class Stretch:
    """Words that follow an earlier text."""

    start: int  # first word
    end: int  # one past the last word
    source: Source
    exact: bool  # no edit between


def split_words(text: str) -> Words:
    """The words, without those in [quote] tags."""
    if "[" in text:
        return tuple(match[0].casefold() for match in TAG_OR_WORD.finditer(text) if match["word"])
    if text.isascii():
        return tuple(text.translate(ASCII_WORDS).split())
    return tuple(" ".join(WORD.findall(text)).casefold().split())


def place_words(text: str) -> tuple[list[int], list[int]]:
    """Where the words of ``split_words`` start and end in the text."""
    import numpy as np

    if "[" in text:
        spans = [match.span() for match in TAG_OR_WORD.finditer(text) if match["word"]]
    elif text.isascii():
        inside = np.frombuffer(f" {text.translate(ASCII_WORDS)} ".encode(), np.uint8) != ord(" ")
        edges = np.flatnonzero(inside[1:] != inside[:-1])
        return edges[::2].tolist(), edges[1::2].tolist()
    else:
        spans = [match.span() for match in WORD.finditer(text)]
    return [start for start, _ in spans], [end for _, end in spans]


def find_shared_runs(texts: Sequence[Words]) -> list[list[Run]]:
    """Of each text the runs that are said twice in these texts, in order. Most are not, and need no looking up.

    Two runs may have the same number by chance, so the words decide.
    """
    import numpy as np

    total = sum(map(len, texts))
    if sum(len(text) >= RUN for text in texts) < 2:
        return [[] for _ in texts]
    words = np.fromiter(map(hash, itertools.chain.from_iterable(texts)), np.int64, total).view(np.uint64)
    numbers = words[: total - RUN + 1].copy()
    for step in range(1, RUN):
        numbers = numbers * np.uint64(MIX) + words[step : total - RUN + 1 + step]
    edges = np.cumsum([0, *map(len, texts)])
    whole = np.ones(total, bool)  # whether a run that begins here ends in the same text
    for step in range(1, RUN):
        whole[edges[1:][edges[1:] >= step] - step] = False
    places = np.flatnonzero(whole)
    numbers = numbers[places]
    order = np.argsort(numbers)
    twice = np.flatnonzero(numbers[order[1:]] == numbers[order[:-1]])
    shared = np.zeros(len(places), bool)
    shared[order[twice]] = shared[order[twice + 1]] = True
    places, numbers = places[shared], numbers[shared]
    cuts = np.searchsorted(places, edges)
    places -= np.repeat(edges[:-1], np.diff(cuts))
    runs = list(zip(places.tolist(), numbers.tolist(), strict=True))
    return [runs[first:last] for first, last in itertools.pairwise(cuts.tolist())]


class Earlier:
    """The words said so far, and where each run of RUN of them stands as somebody's own."""

    def __init__(self) -> None:
        self._words: list[str] = []  # of all texts, an empty one after each so that no match runs on into the next
        self._places: dict[int, list[int]] = {}  # number of a run -> where it begins in _words, earliest first
        self._starts: list[int] = []  # where each text begins in _words
        self._sources: list[Source] = []

    def add(self, source: Source, words: Words, runs: Sequence[Run], parts: Sequence[tuple[int, int]]) -> None:
        """Keep the words of these parts, each from a first word to one past its last; runs as ``find_shared_runs``."""
        self._starts.append(len(self._words))
        self._sources.append(source)
        for first, last in parts:
            offset = len(self._words) - first
            self._words += words[first:last]
            self._words.append("")
            for at, number in runs[bisect_left(runs, (first,)) : bisect_left(runs, (last - RUN + 1,))]:
                places = self._places.setdefault(number, [])
                if len(places) < MAXIMUM_PLACES:
                    places.append(offset + at)

    def select(self, runs: Sequence[Run]) -> list[Run]:
        """Those that somebody has said."""
        return [run for run in runs if run[1] in self._places]

    def follow(self, texts: Words, run: Run, floor: int) -> Stretch | None:
        """The longest stretch around the run, not before floor, that an earlier text has.

        Of equals it is the first said. Edits are passed over at the end of the longest alone: tried at every place,
        they took most of the time.
        """
        longest, best = 0, 0
        at, number = run
        for place in self._places[number]:
            length = self._agree(texts, at, place)
            if length > longest:
                longest, best = length, place
        if longest < RUN:  # nothing, or another run of the same number
            return None
        start, back = at, best
        while start > floor and back > 0 and texts[start - 1] == self._words[back - 1]:
            start, back = start - 1, back - 1
        end, place, exact = at + longest, best + longest, True
        while (step := self._pass_edit(texts, end, place)) is not None:
            agreed = self._agree(texts, end + step[0], place + step[1])
            end, place, exact = end + step[0] + agreed, place + step[1] + agreed, False
        return Stretch(start, end, self._sources[bisect_right(self._starts, best) - 1], exact)

    def _agree(self, texts: Words, at: int, place: int) -> int:
        """How many words from here on are the same."""
        said, length, limit = self._words, 0, len(texts) - at
        while length < limit and texts[at + length] == said[place + length]:
            length += 1
        return length

    def _pass_edit(self, texts: Words, at: int, place: int) -> tuple[int, int] | None:
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


def cut_out(starts: Sequence[int], quotes: Sequence[Quote]) -> list[tuple[int, int]]:
    """The words before, between and after the quotes, as first word and one past the last; starts of all words."""
    parts, first = [], 0
    for quote in quotes:
        parts.append((first, max(first, bisect_left(starts, quote.start))))
        first = max(first, bisect_left(starts, quote.end))
    return [*parts, (first, len(starts))]


def follow_all(texts: Words, runs: Sequence[Run], earlier: Earlier) -> list[Stretch]:
    """The stretches of a post that earlier texts have, in order and apart: where two meet, the longer has the words."""
    stretches: list[Stretch] = []
    at = floor = 0
    for run in earlier.select(runs):
        stretch = earlier.follow(texts, run, floor) if run[0] >= at else None
        if stretch is None:
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
        at = stretch.end if is_long else stretch.end - RUN + 1
        floor = stretch.end if is_long else floor
    return [stretch for stretch in stretches if stretch.start < stretch.end]
