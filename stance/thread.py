"""Loose posts to a thread: whose words each stretch of a post is, what answers what, which numbers are missing.

A quote that nothing marks is found by its words: `_Earlier` keeps every run of RUN words that an earlier post, or the
article, has as its own, and a stretch of a later post that follows such a run far enough is a quote of it. Quoted words
are not kept, so the source is always the post that said them first, never one that repeats them.
"""

from __future__ import annotations

import itertools
import json
import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from stance.files import open_replacing
from stance.read import read_file
from stance.records import Post, Quote, Reply, Thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Source = int | Literal["article"]

WORD = re.compile(r"[^\W_]+")  # so case, dashes, quotation marks, spaces and line ends do not matter
LINE = re.compile(r"[^\r\n]+")
MARKED = re.compile(r"^>(?!From ).*(?:\n>(?!From ).*)*", re.MULTILINE)  # ">From" is a mail program's escape of "From"

RUN = 4  # words in an index key, and the shortest quote: of three, too many are said twice by chance
MAXIMUM_PLACES = 16  # kept for a run, the earliest; "at the end of the" stands in every post
RESUME = 3  # words that must agree again after an edit
MAXIMUM_EDIT = 3  # words that an edit changes, drops or adds
# What a stretch must be to count as a quote. A line of its own is a quoter's habit and needs few words; with an edit it
# needs more (an answer may turn a short line round: "should stay open", "should stay closed"); and inside a line only
# what chance does not bring about.
LINE_SHARE = 0.8  # of a line's words, from one source
EDITED_WORDS = 8
INSIDE_WORDS = 12
MAXIMUM_GAP = 100  # numbers missing in a row; a wider jump is another count, not lost posts


def read_thread(path: Path | str) -> Thread:
    """The thread in a file, its quotes, replies and gaps found. StanceError if the file holds none."""
    return link_posts(read_file(Path(path)))


def link_posts(thread: Thread) -> Thread:
    """The thread with gaps filled in, and with quotes and reply links added where its posts show none of their own."""
    earlier = _Earlier()
    opening = "\n\n".join(filter(None, (thread.title, thread.article)))
    earlier.add("article", _split_words(opening), ())
    bodies: set[tuple[str, ...]] = set()
    posts = []
    for position, post in enumerate(thread.posts):
        words = _split_words(post.body)
        body = tuple(word.text for word in words)
        if body in bodies:  # sent twice: a copy, not a quote, and its first sending stays the source of its words
            posts.append(post)
            continue
        bodies.add(body)
        linked = post if post.quotes else _find_quotes(post, words, earlier, thread.posts)
        posts.append(_link_reply(linked))
        earlier.add(position, words, linked.quotes)
    return replace(thread, posts=tuple(posts), gaps=_find_gaps(posts))


def read_alone(text: str) -> Post:
    """A post that stands alone: its quotes are what it marks as quoted."""
    alone = Thread("", None, None, None, None, None, (Post("0", text),))
    return link_posts(alone).posts[0]


def thread_to_json(thread: Thread) -> dict[str, object]:
    """What `stance read` writes: sources and reply_to are positions in posts, from 0; or "article", or None."""
    return {
        "title": thread.title,
        "article": thread.article,
        "blurb": thread.blurb,
        "source": thread.source,
        "sha256": thread.sha256,
        "warnings": list(thread.warnings),
        "gaps": list(thread.gaps),
        "posts": [
            {
                "number": post.number,
                "author": post.author,
                "time": post.time.isoformat().replace("+00:00", "Z") if post.time else None,
                "body": post.body,
                "quotes": [{"start": quote.start, "end": quote.end, "source": quote.source} for quote in post.quotes],
                "reply_to": post.reply_to,
                "reply_basis": post.reply_basis,
            }
            for post in thread.posts
        ],
    }


def write_thread(thread: Thread, path: Path | str) -> None:
    """Write the thread as JSON, all of it or, with a StanceError, nothing."""
    content = json.dumps(thread_to_json(thread), ensure_ascii=False, indent=1) + "\n"
    with open_replacing(path) as file:
        file.write(content.encode("utf-8"))


def _find_gaps(posts: Iterable[Post]) -> tuple[str, ...]:
    """The numbers between one post's and the next's where they rise."""
    numbers = [int(post.number) for post in posts if post.number and post.number.isascii() and post.number.isdecimal()]
    return tuple(
        str(missing)
        for before, after in itertools.pairwise(numbers)
        if after - before - 1 <= MAXIMUM_GAP
        for missing in range(before + 1, after)
    )


def _link_reply(post: Post) -> Post:
    """The post as an answer to the first post that it quotes, where the source shows no link of its own."""
    if post.replies:
        return post
    for quote in post.quotes:
        if isinstance(quote.source, int):
            return replace(post, replies=(Reply(quote.source, "quote"),))
    return post


@dataclass(frozen=True, slots=True)
class _Word:
    text: str  # case folded
    start: int  # in the body
    end: int


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Words that follow an earlier text."""

    start: int  # first word
    end: int  # one past the last word
    source: Source
    exact: bool  # no edit between


def _split_words(text: str) -> list[_Word]:
    return [_Word(match[0].casefold(), match.start(), match.end()) for match in WORD.finditer(text)]


class _Earlier:
    """The words said so far, and where each run of RUN of them stands as somebody's own."""

    def __init__(self) -> None:
        self._words: list[str] = []  # of all texts, an empty one after each so that no match runs on into the next
        self._places: dict[int, list[int]] = {}  # hash of a run -> where it begins in _words, earliest first
        self._starts: list[int] = []  # where each text begins in _words
        self._sources: list[Source] = []

    def add(self, source: Source, words: Sequence[_Word], quotes: Sequence[Quote]) -> None:
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

    def follow(self, texts: Sequence[str], at: int, floor: int) -> _Stretch | None:
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
        return _Stretch(start, end, self._sources[bisect_right(self._starts, best) - 1], exact)

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


def _cut_out(words: Sequence[_Word], quotes: Sequence[Quote]) -> list[list[_Word]]:
    """The words before, between and after the quotes."""
    parts: list[list[_Word]] = [[]]
    following = iter(quotes)
    quote = next(following, None)
    for word in words:
        while quote is not None and word.start >= quote.end:
            quote = next(following, None)
            parts.append([])
        if quote is None or word.start < quote.start:
            parts[-1].append(word)
    return parts


def _find_quotes(post: Post, words: Sequence[_Word], earlier: _Earlier, posts: Sequence[Post]) -> Post:
    """The post with its quotes: marked ones, then lines and long stretches that an earlier text has as its own."""
    stretches = _follow_all([word.text for word in words], earlier)
    marked = [(match.start(), match.end()) for match in MARKED.finditer(post.body)]
    found = [_mark_quote(start, end, words, stretches) for start, end in marked]
    found += _judge_stretches(post.body, words, stretches, marked)
    kept = _drop_repeats(sorted(found, key=lambda quote: quote.start), post, posts)
    return replace(post, quotes=_join_quotes(kept, post.body))


def _follow_all(texts: Sequence[str], earlier: _Earlier) -> list[_Stretch]:
    """The stretches of a post that earlier texts have, in order and apart: where two meet, the longer has the words."""
    stretches: list[_Stretch] = []
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
        is_long = stretch.end - stretch.start >= INSIDE_WORDS
        at = stretch.end if is_long else max(at + 1, stretch.end - RUN + 1)
        floor = stretch.end if is_long else floor
    return [stretch for stretch in stretches if stretch.start < stretch.end]


def _judge_stretches(
    body: str, words: Sequence[_Word], stretches: Sequence[_Stretch], marked: Sequence[tuple[int, int]]
) -> list[Quote]:
    """Quotes, in order: lines that one earlier text covers, and inside other lines whatever is long enough.

    The lines in marked, (start, end) in the body and in order, are passed over.
    """
    quotes = []
    last = 0
    for line in LINE.finditer(body):
        first, last = last, bisect_left(words, line.end(), lo=last, key=lambda word: word.start)
        mark = bisect_right(marked, line.start(), key=lambda span: span[0]) - 1
        if mark >= 0 and line.start() < marked[mark][1]:
            continue
        inside = _select_stretches(stretches, first, last)
        whole = _judge_line(first, last, inside)
        if whole is not None:
            start = line.start() + len(line[0]) - len(line[0].lstrip())
            quotes.append(Quote(start, start + len(line[0].strip()), whole.source, "exact" if whole.exact else "close"))
            continue
        for stretch in inside:
            begin, end = max(stretch.start, first), min(stretch.end, last)
            if end - begin >= INSIDE_WORDS:
                match: Literal["exact", "close"] = "exact" if stretch.exact else "close"
                quotes.append(Quote(words[begin].start, words[end - 1].end, stretch.source, match))
    return quotes


def _select_stretches(stretches: Sequence[_Stretch], first: int, last: int) -> Sequence[_Stretch]:
    """The stretches that share a word with those from first to last."""
    low = bisect_right(stretches, first, key=lambda stretch: stretch.end)
    high = bisect_left(stretches, last, key=lambda stretch: stretch.start)
    return stretches[low:high]


def _judge_line(first: int, last: int, stretches: Sequence[_Stretch]) -> _Stretch | None:
    """The words first to last as one stretch if they are a quote: one earlier text has all or most of them."""
    if last - first < RUN and not any(stretch.start <= first and stretch.end >= last for stretch in stretches):
        return None  # few words count only as the end or middle of a longer quote
    source, shared = _find_source(first, last, stretches)
    if source is None or shared < max(LINE_SHARE * (last - first), min(last - first, EDITED_WORDS)):
        return None
    return _Stretch(first, last, source, shared == last - first and all(stretch.exact for stretch in stretches))


def _find_source(first: int, last: int, stretches: Sequence[_Stretch]) -> tuple[Source | None, int]:
    """The text that has the most of the words first to last, and how many."""
    shared: dict[Source, int] = {}
    for stretch in stretches:
        words = min(stretch.end, last) - max(stretch.start, first)
        shared[stretch.source] = shared.get(stretch.source, 0) + words
    source = max(shared, key=lambda source: shared[source], default=None)
    return source, 0 if source is None else shared[source]


def _mark_quote(start: int, end: int, words: Sequence[_Word], stretches: Sequence[_Stretch]) -> Quote:
    """The marked quote from start to end; its source has at least half of the words, as the mark is evidence too."""
    first = bisect_left(words, start, key=lambda word: word.start)
    last = bisect_left(words, end, key=lambda word: word.start)
    source, shared = _find_source(first, last, _select_stretches(stretches, first, last))
    return Quote(start, end, source if 2 * shared >= last - first else None, "markup")


def _drop_repeats(quotes: Sequence[Quote], post: Post, posts: Sequence[Post]) -> list[Quote]:
    """The quotes without the author's own words said again: signatures, slogans, a text posted twice with a line added.

    Own words stay a quote where they touch another's: that is an answer quoted together with what it answered.
    """
    blocks: list[list[Quote]] = []
    for quote in quotes:
        if blocks and not WORD.search(post.body, blocks[-1][-1].end, quote.start):
            blocks[-1].append(quote)
        else:
            blocks.append([quote])

    def is_repeat(quote: Quote) -> bool:
        return isinstance(quote.source, int) and quote.match != "markup" and posts[quote.source].author == post.author

    return [quote for block in blocks if post.author is None or not all(map(is_repeat, block)) for quote in block]


def _join_quotes(quotes: Sequence[Quote], body: str) -> tuple[Quote, ...]:
    """The quotes with neighbours of the same source, nothing but blank space and marks between them, made one."""
    joined: list[Quote] = []
    for quote in quotes:
        last = joined[-1] if joined else None
        alike = last and last.source == quote.source and (last.match == "markup") == (quote.match == "markup")
        if last and alike and not WORD.search(body, last.end, quote.start):
            match = last.match if last.match == quote.match else "close"
            joined[-1] = Quote(last.start, quote.end, quote.source, match)
        else:
            joined.append(quote)
    return tuple(joined)
