"""Whom a post answers, as its text shows it: by a number, a quote, or a name.

What markup or nesting shows comes from the readers and stays in front. A parent that is not in the thread stays
missing, and so does whoever is only named: a name links to the latest earlier post of the one author whom it fits.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from stance.quotes.marks import DATED, read_name
from stance.records import Post, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stance.records import Basis

# How often links known like this are right on the development threads, by the rule of succession, as some are few;
# `python tests/bench/replies.py` prints the counts. Surest first, as a post's links are sorted.
CONFIDENCE: dict[str, tuple[Basis, float]] = {
    "dated": ("mention", 0.95),  # "Response to NAME, DATE"; counted together with the next
    "number": ("number", 0.95),  # "@9" where posts show their numbers
    "quote": ("quote", 0.93),
    "name": ("mention", 0.8),  # "@NAME", "NAME,", or a marked quote of NAME whose words nobody said
    "counted": ("number", 0.5),  # "@9" where posts show no numbers
}

NUMBER = re.compile(
    r"(?:@\s?#?|#\s?|>>|(?:no|nr)\.\s?|(?:comment|post)\s#?)(?P<number>[0-9]{1,6})(?![\w%]|[.,:/]\w)", re.I
)
WORD = re.compile(r"[^\W_][\w'’.-]*[^\W_]|[^\W_]")
LINE = re.compile(r"[^\r\n]+")
CALL = re.compile(r"(?<!\w)@\Z")
DIVIDED = re.compile(r"\s?(?:[,:;!]|[-–—]\s)|\s*$")  # what stands behind a name that calls
ADDRESSED = re.compile(r"\s+(?:[\w'’]+\s+){0,2}?(?:you|your|you['’]re)\b", re.IGNORECASE)
MOST_STEPS = 1000  # from answer to answer, in search of a circle
FIRST_WORDS = 8  # in which a post names whom it answers
NAME_WORDS = 5  # of the longest name that is looked for
GREETING = frozenset(
    (
        "hi",
        "hello",
        "hey",
        "dear",
        "thanks",
        "thank",
        "you",
        "yes",
        "no",
        "agree",
        "with",
        "to",
        "at",
        "re",
        "for",
        "as",
    )
).union(("hallo", "danke", "liebe", "lieber", "ja", "nein", "an"))


def link_replies(posts: Sequence[Post], opening: str, blurb: str | None) -> tuple[Post, ...]:
    """The posts with the links that their texts show behind those that they have."""
    numbers: dict[str, int] = {}  # as printed, digits only -> position, of earlier posts
    shows_numbers = 2 * sum(_read_number(post) is not None for post in posts) > len(posts)
    names = _Names(posts, blurb)
    linked: list[Post] = []
    forward = any(reply.to > position for position, post in enumerate(posts) for reply in post.replies)
    for position, post in enumerate(posts):
        found = _Found(post, position)
        lines = [line[0].strip() for _, part in post.own_parts for line in LINE.finditer(part)]
        for called, number in _find_numbers(lines):
            if shows_numbers:
                found.add(numbers.get(number), "number")
            elif f"#{number}" not in opening or "@" in called:  # "#5": a point of the article's
                found.add(int(number) - 1, "counted")
        for target, kind in _find_quoted(post, posts, names):
            found.add(target, kind)
        for target in names.find_mentions(post, lines):
            found.add(target, "name")
        if forward:
            found.drop_circles(linked, posts)
        linked.append(found.finish())
        names.add(position, post)
        shown = _read_number(post)
        if shown is not None:
            numbers.setdefault(shown, position)
    return tuple(linked)


def _find_quoted(post: Post, posts: Sequence[Post], names: _Names) -> Iterator[tuple[int | None, str]]:
    """The posts that a post quotes, each with the kind of link."""
    for quote in post.quotes:
        if isinstance(quote.source, int):
            if post.author is not None and posts[quote.source].author == post.author:
                continue  # who quotes an own post answers another's: on the forum threads nine times in ten
            yield quote.source, "dated" if DATED.match(post.body, quote.start) else "quote"
        elif quote.source is None and quote.match == "markup":
            yield names.find(read_name(post.body, quote.start, quote.end)), "name"


class _Found:
    """The links of a post as they are found; of several to one post the surest stays."""

    def __init__(self, post: Post, position: int) -> None:
        self._post = post
        self._position = position
        self._replies: dict[int, Reply] = {}

    def add(self, target: int | None, kind: str) -> None:
        basis, confidence = CONFIDENCE[kind]
        if target is None or not 0 <= target < self._position:
            return
        known = self._replies.get(target)
        if known is None or known.confidence < confidence:
            self._replies[target] = Reply(target, basis, confidence)

    def drop_circles(self, linked: Sequence[Post], posts: Sequence[Post]) -> None:
        """Leave out links to posts that by markup answer this one, themselves or through others."""
        for target in list(self._replies):
            at: int | None = target
            for _ in range(MOST_STEPS):
                if at is None or at == self._position:
                    break
                at = (linked if at < len(linked) else posts)[at].reply_to
            if at == self._position:
                del self._replies[target]

    def finish(self) -> Post:
        shown = {reply.to for reply in self._post.replies}
        more = [reply for target, reply in self._replies.items() if target not in shown]
        more.sort(key=lambda reply: -reply.confidence)
        return replace(self._post, replies=(*self._post.replies, *more)) if more else self._post


def _read_number(post: Post) -> str | None:
    """The digits of a printed number."""
    digits = re.search(r"[0-9]{1,9}", post.number or "")
    return digits[0].lstrip("0") or "0" if digits else None


def _find_numbers(lines: Sequence[str]) -> list[tuple[str, str]]:
    """The numbers of posts that lines begin with, each as it stands and without its mark."""
    found = []
    for line in lines:
        match = NUMBER.match(line)
        if match:
            found.append((match[0], match["number"].lstrip("0") or "0"))
    # "#1 ... #2 ...": a list of its own points.
    return [] if [number for _, number in found[:2]] == ["1", "2"] else found


class _Names:
    """The authors so far: which post of theirs was the last, and by which names they may be called."""

    def __init__(self, posts: Sequence[Post], blurb: str | None) -> None:
        self._last: dict[str, int] = {}  # full name -> position
        self._called: dict[str, set[str]] = {}  # a name, full or short -> the full names that it fits
        self._heads: set[str] = set()  # the words that the names begin with
        self._posts = posts
        writer = [word.casefold() for word in WORD.findall(blurb or "")[:2]]
        # Who calls the article's author by the first name means no namesake.
        self._writer = {" ".join(writer), writer[0]} if writer else set()

    @cached_property
    def _common(self) -> set[str]:
        return _find_common_words(self._posts)

    def add(self, position: int, post: Post) -> None:
        if post.author is None:
            return
        name = _fold(post.author)
        if not name:
            return
        if name not in self._last:
            for called in _list_names(name):
                self._called.setdefault(called, set()).add(name)
                self._heads.update(WORD.findall(called)[:1])
        self._last[name] = position

    def find(self, called: str | None) -> int | None:
        """The latest post of the one author whom the name fits."""
        name = self._resolve(_fold(called or ""))
        return self._last[name] if name is not None else None

    def _resolve(self, called: str) -> str | None:
        if called in self._last:
            return called
        fitting = self._called.get(called, set())
        return next(iter(fitting)) if len(fitting) == 1 and called not in self._writer else None

    def find_mentions(self, post: Post, lines: Sequence[str]) -> Iterator[int]:
        """The posts that a post, of these lines, answers by name, in order."""
        for number, line in enumerate(lines) if self._last else ():
            yield from self._read_line(line, post, number == 0)

    def _read_line(self, line: str, post: Post, is_first: bool) -> Iterator[int]:
        words = list(itertools.islice(WORD.finditer(line), (FIRST_WORDS if is_first else 1) + NAME_WORDS))
        own = _fold(post.author or "")
        is_plain = line.isascii()
        for at in range(min(len(words), FIRST_WORDS if is_first else 1)):
            if is_plain and words[at][0].lower() not in self._heads:
                continue
            for count in range(min(NAME_WORDS, len(words) - at), 0, -1):
                name = self._resolve(_fold(line[words[at].start() : words[at + count - 1].end()]))
                if name is None or name == own:
                    continue
                if self._is_called(line, words, at, count):
                    yield self._last[name]
                    return

    def _is_called(self, line: str, words: Sequence[re.Match[str]], at: int, count: int) -> bool:
        """Whether the count words of a line from word at, which are a name, call somebody there."""
        start, end = words[at].start(), words[at + count - 1].end()
        before, after = line[:start].rstrip(), line[end:]
        if CALL.search(before) or (at == 0 and DIVIDED.match(after)):
            return True
        if count == 1 and (not line[start].isupper() or line[start:end].casefold() in self._common):
            return False
        greeted = at > 0 and (before.endswith(",") or words[at - 1][0].casefold() in GREETING)
        if DIVIDED.match(after):
            return greeted
        # "As John B suggests", "Tim do you ...", but not "Donald Trump says" where a Donald has posted.
        return count > 1 or ((greeted or ADDRESSED.match(after) is not None) and not re.match(r"\s+[A-Z]", after))


def _fold(name: str) -> str:
    """The words of a name, case folded."""
    return " ".join(name.casefold().split())


def _list_names(name: str) -> Iterator[str]:
    """What an author may be called: "tim worstall", "timworstall", "tim w", "tim"."""
    words = WORD.findall(name)
    yield name
    yield "".join(words)
    yield " ".join(words)
    if len(words) > 1:
        yield words[0]
        yield f"{words[0]} {words[1][0]}"


def _find_common_words(posts: Sequence[Post]) -> set[str]:
    """First words of authors' names that the posts also use in lower case: "will", "mark"."""
    firsts = {word.casefold() for post in posts if post.author for word in WORD.findall(post.author)[:1]}
    counts: Counter[str] = Counter()
    for post in posts:
        counts.update(firsts.intersection(WORD.findall(post.body)))
    return {word for word, count in counts.items() if count}
