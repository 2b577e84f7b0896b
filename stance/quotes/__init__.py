"""Whose words each stretch of a post is.

A quote that nothing marks is found by its words: `Earlier` keeps every run of some words that an earlier post, or the
article, has as its own, and a stretch of a later post that follows such a run far enough is a quote of it. Quoted words
are not kept, so the source is always the post that said them first, never one that repeats them. A quote that the page
or the text marks is one in any case; its words say only whose it is.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeVar

from stance.quotes.earlier import (
    LONG,
    RUN,
    WORD,
    Earlier,
    Source,
    Stretch,
    cut_out,
    find_shared_runs,
    follow_all,
    place_words,
    split_words,
)
from stance.quotes.marks import Mark, find_dated, find_marks, widen_quote
from stance.read.times import parse_time
from stance.records import Post, Quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Found = TypeVar("Found", Mark, Quote)

LINE = re.compile(r"[^\r\n]+")
LINKS = re.compile(r"(?:https?://|www\.)\S+|[\w-]+\.[\w.-]*/\S*|<[^<>\n]{1,200}>")  # and tags of HTML: nobody's words
SENTENCE_END = re.compile(r"[.!?…]+[\"”’')\]]*\s")
BEFORE = re.compile(r"[\"“‘'«<(\[…]{1,3}\Z|\.{2,5}\Z")  # belongs to the quote that begins right after it
AFTER = re.compile(r"[.!?…\"”’'»)\]]{1,5}(?!\w)")  # and to one that ends right before

# What a stretch must be to count as a quote. A line of its own is a quoter's habit and needs few words; with an edit it
# needs more (an answer may turn a short line round: "should stay open", "should stay closed"); a sentence inside a line
# more again, and a part of a sentence only what chance does not bring about.
LINE_SHARE = 0.8  # of a line's words, from one source
EDITED_WORDS = 8
SENTENCE_WORDS = 6
MAXIMUM_WEAK = 300  # characters of a quote that is asked whether it has words enough
MAXIMUM_REST = 12  # words of a line that are not the source's


class Finder:
    """Finds the quotes of a thread's posts, which must be asked for in order."""

    def __init__(self, posts: Sequence[Post], opening: str) -> None:
        self._posts = posts
        self._authors = {_fold(post.author) for post in posts if post.author}
        self._positions: dict[str, list[int]] = {}  # of the posts so far, by author
        self._numbers: dict[str, int] = {}  # of the posts so far, as printed
        said = split_words(opening)
        self._words = [split_words(post.body) for post in posts]
        runs, *self._runs = find_shared_runs([said, *self._words])
        self._earlier = Earlier()
        self._earlier.add("article", said, runs, [(0, len(said))])
        self._bodies: set[tuple[str, ...]] = set()

    def find_quotes(self, position: int) -> Post:
        """The post with the quotes that it shows, those that its text marks, and those that an earlier text has."""
        post, words, runs = self._posts[position], self._words[position], self._runs[position]
        again = words in self._bodies  # sent twice: a copy, not a quote; who sent it first stays its source
        marks = [Mark(quote.start, quote.end) for quote in post.quotes if quote.source is None]
        marks += _leave_out(find_marks(post.body), post.quotes)
        dated = [Quote(mark.start, mark.end, self._find_dated(mark), "markup") for mark in find_dated(post.body)]
        dated = [quote for quote in dated if quote.source is not None]
        stretches = follow_all(words, runs, self._earlier) if marks or not again else []
        starts: list[int] = []
        if post.quotes or marks or dated or stretches:
            starts, ends = place_words(post.body)
            quotes = self._find_all(post, marks, dated, _Aligned(post.body, starts, ends, stretches), again)
            post = replace(post, quotes=quotes)
        if not again:
            self._bodies.add(words)
            parts = cut_out(starts, post.quotes) if post.quotes else [(0, len(words))]
            self._earlier.add(position, words, runs, parts)
        if post.number is not None:
            self._numbers.setdefault(post.number.strip("# ."), position)
        if post.author is not None:
            self._positions.setdefault(_fold(post.author), []).append(position)
        return post

    def _find_all(
        self, post: Post, marks: list[Mark], dated: Sequence[Quote], text: _Aligned, again: bool
    ) -> tuple[Quote, ...]:
        """The post's quotes: those that it shows, those marked, those of lines with author and time, and unmarked."""
        found = [quote for quote in post.quotes if quote.source is not None]
        marks.sort(key=lambda mark: mark.start)
        found += [quote for mark in marks for quote in self._resolve(mark, text)]
        found.sort(key=lambda quote: quote.start)
        found += _leave_out(dated, found)
        found.sort(key=lambda quote: quote.start)
        if again:
            return _join_quotes(found, post.body)
        return _drop_weak(_join_quotes(self._add_unmarked(found, text), post.body), post, self._posts)

    def _find_dated(self, mark: Mark) -> int | None:
        """The earlier post that a line names by author and time; of several the nearest in time, else the latest."""
        positions = self._positions.get(_fold(mark.name or ""), [])
        if not positions:
            return None
        time = parse_time(mark.date or "")
        apart = [(abs(its - time), -position) for position in positions if time and (its := self._posts[position].time)]
        return -min(apart)[1] if apart else positions[-1]

    def _resolve(self, mark: Mark, text: _Aligned) -> Iterator[Quote]:
        """The marked stretch as quotes: divided where its words have several sources."""
        parts = [part for line in text.divide(mark.start, mark.end) for part in text.split_sentences(line)]
        sources = [text.judge_marked(first, last) for first, last in parts]
        source = next((source for source in sources if source is not None), None)
        if source is None and mark.number is not None:
            source = self._numbers.get(mark.number)
        start, end = mark.start, mark.end
        for (first, _), its in zip(parts, sources, strict=True):
            if its is not None and its != source:
                yield Quote(start, text.find_edge(first), source, "markup")
                start, source = text.find_edge(first), its
        yield Quote(start, end, source, "markup")

    def _add_unmarked(self, marked: Sequence[Quote], text: _Aligned) -> list[Quote]:
        """The marked quotes and, in the lines between them, those that an earlier text has."""
        quotes: list[Quote] = []
        start = 0
        for following in (*marked, None):
            end = following.start if following else len(text.body)
            for found in text.find_between(start, end):
                floor = quotes[-1].end if quotes else 0
                first, last = widen_quote(text.body, found.start, found.end, floor, self._authors)
                match = found.match if first == found.start else "markup"
                quotes.append(Quote(max(first, floor), min(last, end), found.source, match))
            if following:
                quotes.append(following)
                start = following.end
        return quotes


@dataclass(frozen=True, slots=True)
class _Aligned:
    """A body, its words, and the stretches of them that earlier texts have."""

    body: str
    starts: Sequence[int]  # of the words, in characters
    ends: Sequence[int]
    stretches: Sequence[Stretch]

    def divide(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The lines from start to end that hold words, each as its first word and one past its last."""
        last = bisect_left(self.starts, start)
        for line in LINE.finditer(self.body, start, end):
            first, last = last, bisect_left(self.starts, line.end(), lo=last)
            if first < last:
                yield first, last

    def split_sentences(self, line: tuple[int, int]) -> Iterator[tuple[int, int]]:
        first, last = line
        for mark in SENTENCE_END.finditer(self.body, self.ends[first], self.starts[last - 1]):
            following = bisect_left(self.starts, mark.end(), lo=first, hi=last)
            if first < following < last:
                yield first, following
                first = following
        yield first, last

    def find_edge(self, first: int) -> int:
        """Where the line begins whose first word that is, or the word."""
        start = self.starts[first]
        line = max(self.body.rfind("\n", 0, start), self.body.rfind("\r", 0, start)) + 1
        return start if WORD.search(self.body, line, start) else line

    def find_between(self, start: int, end: int) -> Iterator[Quote]:
        """Quotes, in order: lines and sentences that one earlier text covers, and whatever else is long enough."""
        for first, last in self.divide(start, end) if self.stretches else ():
            inside = self._select(first, last)
            if not inside:
                continue
            whole = self._judge(first, last, inside, RUN)
            if whole is not None:
                yield self._quote_line(whole, start, end)
                continue
            spans = [Stretch(max(its.start, first), min(its.end, last), its.source, its.exact) for its in inside]
            spans = [span for span in spans if span.end - span.start >= LONG]
            for sentence in self.split_sentences((first, last)):
                judged = self._judge(*sentence, self._select(*sentence), SENTENCE_WORDS)
                if judged is not None:
                    spans.append(judged)
            yield from (self._quote_part(span) for span in _merge(spans))

    def judge_marked(self, first: int, last: int) -> Source | None:
        """Whose the words are, half of them at least: that they are marked as quoted is evidence too."""
        source, shared = _find_source(first, last, self._select(first, last))
        return source if 2 * shared >= last - first else None

    def _select(self, first: int, last: int) -> Sequence[Stretch]:
        """The stretches that share a word with those from first to last."""
        low = bisect_right(self.stretches, first, key=lambda stretch: stretch.end)
        high = bisect_left(self.stretches, last, key=lambda stretch: stretch.start)
        return self.stretches[low:high]

    def _judge(self, first: int, last: int, stretches: Sequence[Stretch], least: int) -> Stretch | None:
        """The words first to last as one stretch if they are a quote: one earlier text has all or most of them."""
        length = last - first
        if length < least and not any(stretch.start <= first and stretch.end >= last for stretch in stretches):
            return None  # few words count only as the end or middle of a longer quote
        source, shared = _find_source(first, last, stretches)
        if source is None or shared < max(LINE_SHARE * length, min(length, EDITED_WORDS), length - MAXIMUM_REST):
            return None
        return Stretch(first, last, source, shared == length and all(stretch.exact for stretch in stretches))

    def _quote_line(self, line: Stretch, low: int, high: int) -> Quote:
        """A line's words as a quote, with all that stands beside them on the line."""
        start = max(self.find_edge(line.start), low)
        end = LINE.match(self.body, self.starts[line.end - 1])
        stop = min(end.end() if end else high, high)
        kept = self.body[start:stop]
        start += len(kept) - len(kept.lstrip())
        return Quote(start, start + len(kept.strip()), line.source, "exact" if line.exact else "close")

    def _quote_part(self, part: Stretch) -> Quote:
        """Words inside a line as a quote, with the marks that belong to them."""
        start, end = self.starts[part.start], self.ends[part.end - 1]
        before, after = BEFORE.search(self.body, max(start - 5, 0), start), AFTER.match(self.body, end)
        start, end = before.start() if before else start, after.end() if after else end
        return Quote(start, end, part.source, "exact" if part.exact else "close")


def _merge(spans: Sequence[Stretch]) -> list[Stretch]:
    """The spans in order and apart: those of one source that meet are one, of others the first keeps its words."""
    merged: list[Stretch] = []
    for span in sorted(spans, key=lambda span: (span.start, span.start - span.end)):
        last = merged[-1] if merged else None
        if last is None or span.start >= last.end:
            merged.append(span)
        elif last.source == span.source:
            merged[-1] = replace(last, end=max(last.end, span.end), exact=last.exact and span.exact)
        elif span.end > last.end:
            merged.append(replace(span, start=last.end))
    return merged


def _find_source(first: int, last: int, stretches: Sequence[Stretch]) -> tuple[Source | None, int]:
    """The text that has the most of the words first to last, and how many."""
    shared: dict[Source, int] = {}
    for stretch in stretches:
        words = min(stretch.end, last) - max(stretch.start, first)
        shared[stretch.source] = shared.get(stretch.source, 0) + words
    source = max(shared, key=lambda source: shared[source], default=None)
    return source, 0 if source is None else shared[source]


def _fold(name: str) -> str:
    return " ".join(name.casefold().split())


def _leave_out(marks: Sequence[Found], quotes: Sequence[Quote]) -> list[Found]:
    """The marks that share no character with the quotes, which are in order."""
    ends = [quote.end for quote in quotes]
    kept = []
    for mark in marks:
        after = bisect_right(ends, mark.start)
        if after == len(quotes) or quotes[after].start >= mark.end:
            kept.append(mark)
    return kept


def _drop_weak(quotes: Sequence[Quote], post: Post, posts: Sequence[Post]) -> tuple[Quote, ...]:
    """The quotes without lone lines of a few words, and without the author's own words said again."""
    blocks: list[list[Quote]] = []
    for quote in quotes:
        if quote.match != "markup" and quote.end - quote.start <= MAXIMUM_WEAK:
            words = LINKS.sub(" ", post.body[quote.start : quote.end])
            if len(WORD.findall(words)) < RUN:
                continue
        if blocks and not WORD.search(post.body, blocks[-1][-1].end, quote.start):
            blocks[-1].append(quote)
        else:
            blocks.append([quote])
    kept = [block for block in blocks if not _is_repeat(block, post, posts) or _is_taken_up(block, post.body)]
    return tuple(quote for block in kept for quote in block)


def _is_repeat(block: Sequence[Quote], post: Post, posts: Sequence[Post]) -> bool:
    """Whether all of it is the author's own. Own words beside another's are an answer quoted with what it answered."""
    return post.author is not None and all(
        quote.match != "markup" and isinstance(quote.source, int) and posts[quote.source].author == post.author
        for quote in block
    )


def _is_taken_up(block: Sequence[Quote], body: str) -> bool:
    """Whether own words said again are quoted to go on from them: a signature, a slogan, or a text sent again with a
    line more, is short or ends the post."""
    start, end = block[0].start, block[-1].end
    inside, after = (itertools.islice(WORD.finditer(body, *edges), LONG) for edges in ((start, end), (end,)))
    line = max(body.rfind("\n", 0, start), body.rfind("\r", 0, start)) + 1
    return sum(1 for _ in inside) == sum(1 for _ in after) == LONG and not WORD.search(body, line, start)


def _join_quotes(quotes: Sequence[Quote], body: str) -> tuple[Quote, ...]:
    """The quotes with neighbours of the same source, nothing but blank space and marks between them, made one."""
    joined: list[Quote] = []
    for quote in quotes:
        last = joined[-1] if joined else None
        if last and last.source == quote.source and not WORD.search(body, last.end, quote.start):
            either = {last.match, quote.match}
            mixed: Literal["markup", "close"] = "markup" if "markup" in either else "close"
            match = mixed if len(either) > 1 else last.match
            joined[-1] = Quote(last.start, quote.end, quote.source, match)
        else:
            joined.append(quote)
    return tuple(joined)
