"""Text dumps: a numbered list of posts, an article before it.

```
Title

Article ...

  1. First post's words, on as many lines
    as it has.

  2. NAME says

    Second post.
```

Indentation decides what is a post's number and what a list inside a post: a number counts if it stands as far left as
the others and the numbers rise. A text without such a list is an article; other layouts are not guessed at.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stance.records import Post, Thread

if TYPE_CHECKING:
    from pathlib import Path

# str.splitlines also breaks at form feeds and U+2028: its line numbers would not be an editor's.
LINE_END = re.compile(r"\r\n|\r|\n")
NUMBER = re.compile(r"(?P<indent>\s*)(?P<number>[0-9]{1,6})\.(?:\s+(?P<rest>.*))?", re.DOTALL)
HEADER = re.compile(  # "NAME says", or "NAME - August 8, 2012"
    r"(?P<name>\S.{0,58}?)\s+(?:(?:says|said|wrote)\s*:?|[-–—|]\s*[A-Z][a-z]{2,8}\.?\s[0-9]{1,2},?\s[0-9]{4})"
)
UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad"  # zero-width: no width, no words, yet str.strip keeps them
INDENTED = re.compile(rf"[\s{UNSEEN}]*")
MAXIMUM_STEP = 20  # from a number to the next; more missing in a row is a year or a score, not a post
MAXIMUM_LISTS = 8  # looked at; a file of numbers in every column would otherwise take the square of its length
MINIMUM_POSTS = 3  # without a name at any; two numbered paragraphs may be anything

TITLE_LENGTH = 200  # characters
CLOCK = re.compile(r"\d:\d\d")
# A note on the article's author: the name and what he or she is, then, within a few paragraphs, something about
# publishing. Either alone also fits an article's last words ("Nikol Pashinyan is a ...").
ABOUT_AUTHOR = re.compile(
    r"(?:[^\W\d_][\w.'’-]{0,30}\s+){1,4}?(?:is|was|writes|works|teaches)\s+(?:an?|the|for|at|about|on)\b"
)
PUBLISHING = re.compile(
    r"\b(?:author|writer|editor|journalist|columnist|blogger|blogging|blogs?|tweets?|twitter|newsletter|substack|books?"
    r"|professor|fellow|researcher)\b|(?<!\w)@\w",
    re.IGNORECASE,
)
BLURB_PARAGRAPHS = 5  # at most


@dataclass(frozen=True, slots=True)
class Item:
    """A line that begins with a number and a full stop."""

    line: int  # position in the lines, from 0
    number: int
    indent: int  # characters before the number
    rest: str  # of the line after the number
    after_blank: bool  # a blank line, or nothing, stands before it


def read_text(text: str, path: Path) -> Thread:
    """The loose thread of a text dump. Without a list of posts it is an article and a warning says so."""
    lines = LINE_END.split(text)
    items = _find_list(lines)
    title, article, blurb = _split_opening(lines[: items[0].line] if items else lines, has_posts=bool(items))
    posts: list[Post] = []
    warnings = []
    if not items:
        warnings.append(
            "no comments found: the text has no numbered list of posts, so all of it is the article "
            '(other layouts: write the posts as .jsonl rows {"id", "author", "text"})'
        )
    for item, end in _pair_with_ends(items, len(lines)):
        post = _read_post(lines, item, end, len(posts))
        if post is not None:
            posts.append(post)
    if items and (stray := _find_outdented(lines, items)) is not None:
        warnings.append(f"line {stray + 1}: text further left than the posts' is read as part of the post above it")
    return Thread(
        id=path.stem,
        source=str(path),
        sha256=None,
        title=title,
        article=article,
        blurb=blurb,
        posts=tuple(posts),
        warnings=tuple(warnings),
    )


def _find_list(lines: list[str]) -> list[Item]:
    """The numbers that begin posts, rising; empty where the text has no list of posts."""
    columns: dict[tuple[str, int], list[Item]] = {}
    after_blank = True
    for position, line in enumerate(lines):
        match = NUMBER.fullmatch(line)
        if match:
            item = Item(position, int(match["number"]), match.end("indent"), (match["rest"] or "").strip(), after_blank)
            columns.setdefault(("left", match.start("number")), []).append(item)
            columns.setdefault(("right", match.end("number")), []).append(item)  # " 9." over "10."
        after_blank = _is_blank(line)
    lists = []
    for items in columns.values():
        # Posts stand apart from each other. Only a dump that sets them tight is read by the numbers alone.
        apart, tight = _find_longest_rise([item for item in items if item.after_blank]), _find_longest_rise(items)
        lists.append(apart if 2 * len(apart) >= len(tight) else tight)
    longest_first = sorted(lists, key=len, reverse=True)[:MAXIMUM_LISTS]
    return next((items for items in (_keep_list(lines, run) for run in longest_first) if _are_posts(lines, items)), [])


def _keep_list(lines: list[str], items: list[Item]) -> list[Item]:
    """The longest part of a rise that text at the margin does not interrupt together with a jump in the numbers.

    Either alone happens among posts (a lost post; a line that lost its indent). Both: two lists, one an article's.
    """
    if not items:
        return []
    margin = min(item.indent for item in items)
    parts: list[list[Item]] = [[]]
    interrupted = False
    for item, end in _pair_with_ends(items, len(lines)):
        if interrupted and item.number > parts[-1][-1].number + 1:
            parts.append([])
        parts[-1].append(item)
        interrupted = any(not _is_blank(line) and _indent(line) <= margin for line in lines[item.line + 1 : end])
    return max(parts, key=len)


def _find_longest_rise(items: list[Item]) -> list[Item]:
    """The longest run of items whose numbers rise by 1 to MAXIMUM_STEP; of equals, the later in the text.

    The longest and not the first: one "1999." or an article's own short list must not shut out the posts.
    """
    length_at: dict[int, int] = {}  # number -> length of the best run that ends with it
    last_at: dict[int, int] = {}  # number -> position in items of that run's end
    before: list[int | None] = []
    end: int | None = None
    longest = 0
    for position, item in enumerate(items):
        length, previous = 1, None
        for number in range(item.number - 1, item.number - MAXIMUM_STEP - 1, -1):
            if length_at.get(number, 0) >= length:
                length, previous = length_at[number] + 1, last_at[number]
        before.append(previous)
        if length >= length_at.get(item.number, 0):
            length_at[item.number], last_at[item.number] = length, position
        if length >= longest:
            end, longest = position, length
    run = []
    while end is not None:
        run.append(items[end])
        end = before[end]
    return run[::-1]


def _are_posts(lines: list[str], items: list[Item]) -> bool:
    """Whether a rising list is a list of posts, not one of an article's.

    A name at a post settles it. Otherwise there are several, some have further lines set in under the number with a
    blank line between, and the list does not end long before the text does.
    """
    named = paragraphs = False
    for item, end in _pair_with_ends(items, len(lines)):
        body = lines[item.line + 1 : end]
        named = named or _read_header(item, body) is not None
        paragraphs = paragraphs or any(
            _is_blank(first) and _indent(second) > item.indent
            for first, second in itertools.pairwise(body)
            if not _is_blank(second)
        )
    outdented = _find_outdented(lines, items[-1:])
    after = 0 if outdented is None else sum(map(len, lines[outdented:]))
    listed = sum(map(len, lines[items[0].line : outdented]))
    return named or (len(items) >= MINIMUM_POSTS and paragraphs and after < listed)


def _pair_with_ends(items: list[Item], length: int) -> list[tuple[Item, int]]:
    """Each item with the position one past its last line, of length lines in all."""
    return list(zip(items, [*(item.line for item in items[1:]), length], strict=False))


def _find_outdented(lines: list[str], items: list[Item]) -> int | None:
    """Position of the first line after items[0] that is no further in than the numbers and is none of them."""
    margin = min(item.indent for item in items)
    starts = {item.line for item in items}
    for position in range(items[0].line + 1, len(lines)):
        line = lines[position]
        if position not in starts and not _is_blank(line) and _indent(line) <= margin:
            return position
    return None


def _read_header(item: Item, body: list[str]) -> str | None:
    """The name in "NAME says" after the number, where nothing else stands on the line and a blank line follows."""
    match = HEADER.fullmatch(item.rest)
    return match["name"] if match and (not body or _is_blank(body[0])) else None


def _read_post(lines: list[str], item: Item, end: int, position: int) -> Post | None:
    """The post of an item, its lines up to end; None where neither a name nor a word stands there (a gap)."""
    rest = lines[item.line + 1 : end]
    author = _read_header(item, rest)
    body = _dedent(rest)
    if author is None and not _is_blank(item.rest):
        body = [item.rest, *body]
    body = _strip_blank(body)
    if author is None and not body:
        return None
    return Post(id=str(position), body="\n".join(body), number=str(item.number), author=author, line=item.line + 1)


def _split_opening(lines: list[str], has_posts: bool) -> tuple[str | None, str | None, str | None]:
    """Title, article and blurb of the lines before the posts."""
    lines = _strip_blank(lines)
    title = None
    if lines and _is_title(lines, has_posts):
        title, lines = lines[0].strip(), _strip_blank(lines[1:])
    cut = _find_blurb(lines) if has_posts else len(lines)
    article = "\n".join(_strip_blank(lines[:cut]))
    blurb = "\n".join(_strip_blank(lines[cut:]))
    return title, article or None, blurb or None


def _is_title(lines: list[str], has_posts: bool) -> bool:
    """Whether the first line is a heading: alone, short, at the margin, no sentence and no post's header."""
    first = lines[0].strip()
    alone = _is_blank(lines[1]) if len(lines) > 1 else has_posts
    plain = not first.endswith((".", ":", ",", ";", "…")) and not HEADER.fullmatch(first) and not CLOCK.search(first)
    return alone and plain and _indent(lines[0]) == 0 and len(first) <= TITLE_LENGTH


def _find_blurb(lines: list[str]) -> int:
    """Position of the line where the note on the author begins; the number of lines where there is none."""
    starts = [at for at, line in enumerate(lines) if not _is_blank(line) and (at == 0 or _is_blank(lines[at - 1]))]
    for start in starts[1:][-BLURB_PARAGRAPHS:]:
        names = lines[start][:1].isupper() and ABOUT_AUTHOR.match(lines[start])
        if names and any(map(PUBLISHING.search, lines[start:])):
            return start
    return len(lines)


def _is_blank(line: str) -> bool:
    return INDENTED.fullmatch(line) is not None


def _indent(line: str) -> int:
    """Characters of blank space before the first word."""
    match = INDENTED.match(line)
    return match.end() if match else 0


def _dedent(lines: list[str]) -> list[str]:
    """The lines without the blank space that all of them begin with, and without any at their ends."""
    margin = min((_indent(line) for line in lines if not _is_blank(line)), default=0)
    return ["" if _is_blank(line) else line[margin:].rstrip() for line in lines]


def _strip_blank(lines: list[str]) -> list[str]:
    filled = [at for at, line in enumerate(lines) if not _is_blank(line)]
    return lines[filled[0] : filled[-1] + 1] if filled else []
