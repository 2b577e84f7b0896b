"""A numbered list of posts, told from the lists inside an article or a post.

Indentation decides what is a post's number and what a list inside a post: a number counts if it stands as far left as
the others and the numbers rise.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, replace

from stance.read.text.headers import Header, read_header
from stance.read.text.lines import indent_of, is_blank

NUMBER = re.compile(r"(?P<indent>\s*)(?P<number>[0-9]{1,6})\.(?:\s+(?P<rest>.*))?", re.DOTALL)
MAXIMUM_STEP = 20  # from a number to the next; more missing in a row is a year or a score, not a post
MAXIMUM_LISTS = 8  # looked at; a file of numbers in every column would otherwise take the square of its length
MINIMUM_POSTS = 3  # without a name at any; two numbered paragraphs may be anything


@dataclass(frozen=True, slots=True)
class Item:
    """A line that begins with a number and a full stop."""

    line: int  # position in the lines, from 0
    number: int
    indent: int  # characters before the number
    rest: str  # of the line after the number
    after_blank: bool  # a blank line, or nothing, stands before it


def find_list(lines: list[str]) -> list[Item]:
    """The numbers that begin posts, rising; empty where the text has no list of posts."""
    columns: dict[tuple[str, int], list[Item]] = {}
    after_blank = True
    for position, line in enumerate(lines):
        match = NUMBER.fullmatch(line)
        if match:
            item = Item(position, int(match["number"]), match.end("indent"), (match["rest"] or "").strip(), after_blank)
            columns.setdefault(("left", match.start("number")), []).append(item)
            columns.setdefault(("right", match.end("number")), []).append(item)  # " 9." over "10."
        after_blank = is_blank(line)
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
    for item, end in pair_with_ends(items, len(lines)):
        if interrupted and item.number > parts[-1][-1].number + 1:
            parts.append([])
        parts[-1].append(item)
        interrupted = any(not is_blank(line) and indent_of(line) <= margin for line in lines[item.line + 1 : end])
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
    for item, end in pair_with_ends(items, len(lines)):
        body = lines[item.line + 1 : end]
        named = named or read_name(item, body) is not None
        paragraphs = paragraphs or any(
            is_blank(first) and indent_of(second) > item.indent
            for first, second in itertools.pairwise(body)
            if not is_blank(second)
        )
    outdented = find_outdented(lines, items[-1:])
    after = 0 if outdented is None else sum(map(len, lines[outdented:]))
    listed = sum(map(len, lines[items[0].line : outdented]))
    return named or (len(items) >= MINIMUM_POSTS and paragraphs and after < listed)


def pair_with_ends(items: list[Item], length: int) -> list[tuple[Item, int]]:
    """Each item with the position one past its last line, of length lines in all."""
    return list(zip(items, [*(item.line for item in items[1:]), length], strict=False))


def find_outdented(lines: list[str], items: list[Item]) -> int | None:
    """Position of the first line after items[0] that is no further in than the numbers and is none of them."""
    margin = min(item.indent for item in items)
    starts = {item.line for item in items}
    for position in range(items[0].line + 1, len(lines)):
        line = lines[position]
        if position not in starts and not is_blank(line) and indent_of(line) <= margin:
            return position
    return None


def read_name(item: Item, body: list[str]) -> Header | None:
    """The name after the number: "NAME says" or "NAME - DATE" with nothing else on the line and below it a blank line.

    A date alone may stand there too.
    """
    header = read_header(item.rest)
    if header is None or not (header.name or header.anonymous):
        return None
    below = read_header(body[0]) if body and not is_blank(body[0]) else None
    if below is not None and below.shape == "D" and header.date is None:
        return replace(header, date=below.date)
    return header if not body or is_blank(body[0]) else None
