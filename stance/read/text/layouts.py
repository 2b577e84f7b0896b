"""Ways to divide a text into posts, each with the evidence for it.

A thread heads (or signs) its posts in one way. So lines are grouped by the shape of what may be a header, and every
group is a candidate: its lines divide the text, and how regular they are and what they show is its evidence. Lists
with numbers, signatures inside a line and the like have finders of their own (`stance.read.text.numbered`,
`stance.read.text.marks`). `find_divisions` returns all, the best first.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stance.read.text.debris import is_closing, is_heading, is_score, name_debris
from stance.read.text.headers import Header, read_header
from stance.read.text.lines import indent_of
from stance.read.text.marks import (
    MOST,
    Lines,
    Mark,
    add_dates,
    add_names,
    add_tail,
    drop_outdented,
    keep_thread,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stance.read.text.lines import Sheet


MAXIMUM_GROUPS = 24  # looked at, the largest
MINIMUM_DATES = 3  # without a name beside them: an article has one at either end
SURE_ALONE = ("name-says-date", "posted-by", "name-says")
ALWAYS_LEADING = ("name-says-date", "name-says")
BASES = {  # evidence of one mark
    "name-says-date": 1.0,
    "posted-by": 1.0,
    "name-date": 0.95,
    "date-name": 0.95,
    "profile": 0.95,
    "name-says": 0.6,
    "date": 0.45,
}
CHILDREN = re.compile(r"\d{1,4} comments?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Block:
    """A post as lines."""

    header: Lines  # empty where nothing heads or signs the post
    body: Lines
    column: int = 0  # how far in it stands
    name: str | None = None
    date: str | None = None
    number: str | None = None
    cut: int | None = None  # where header and body share a line: the character at which the second begins
    signed: bool = False  # whether the header stands below the body
    dated: Lines | None = None  # a line below the body with its date
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Division:
    """A way to divide the text."""

    layout: str
    reason: str
    blocks: tuple[Block, ...]
    weight: float  # evidence: about the number of posts for which it is full
    confidence: float  # 0 to 1, were there no other candidate
    end: int | None = None  # line at which the thread ends and the rest of a page begins
    nested: bool = True  # whether a deeper indent is a reply


def find_marks(sheet: Sheet) -> list[Division]:
    """The divisions by lines that head or sign posts."""
    headers = {at: header for at in sheet.filled if (header := read_header(sheet.lines[at])) is not None}
    groups: dict[str, list[int]] = {}
    for at, header in headers.items():
        groups.setdefault(_coarsen(header), []).append(at)
    verbs = [shape for shape in groups if " D" not in f" {shape}"]
    if len(verbs) > 1:  # "Ann schreibt", "Bo sagt"
        groups["N says"] = sorted(at for shape in verbs for at in groups[shape])
    found = []
    for shape, lines in sorted(groups.items(), key=lambda group: -len(group[1]))[:MAXIMUM_GROUPS]:
        marks = [_make_mark(at, headers[at]) for at in lines]
        division = _divide_group(sheet, shape, marks, headers)
        if division is not None:
            found.append(division)
    return found


def _coarsen(header: Header) -> str:
    """The shape without what follows name and date: buttons differ from post to post."""
    words = header.shape.split()
    last = max((at for at, word in enumerate(words) if word in ("N", "D")), default=-1)
    return " ".join(words[: last + 1]) if header.date else header.shape


def _make_mark(at: int, header: Header) -> Mark:
    return Mark((at, at + 1), header.column, header.name, header.date, header.number, header.anonymous)


def _divide_group(sheet: Sheet, shape: str, marks: list[Mark], headers: dict[int, Header]) -> Division | None:
    """The division by marks of one shape; None where they do not look like posts' headers."""
    layout = _name_layout(shape)
    marks = drop_outdented(marks)
    if layout == "date":
        marks, layout = add_names(sheet, marks)
    elif layout == "name-says":
        marks, layout = add_dates(sheet, marks, headers)
    marks = [add_tail(sheet, mark) for mark in marks]
    marks = keep_thread(sheet, marks)
    if not marks or (len(marks) == 1 and layout not in SURE_ALONE):
        return None
    trailing = layout not in ALWAYS_LEADING and _is_trailing(sheet, marks)
    blocks, end = (_split_trailing if trailing else _split_leading)(sheet, marks)
    if not any(block.date for block in blocks):
        blocks = _take_dates(sheet, blocks, headers)
        if layout == "name-says" and any(block.dated for block in blocks):
            layout = "name-says-date"
    blocks = _split_children(sheet, blocks)
    return _weigh(sheet, layout, blocks, end, trailing)


def _name_layout(shape: str) -> str:
    words = shape.split()
    if "N" not in words:
        return "date"
    if "D" not in words:
        return "name-says"
    if words[0] not in ("N", "D") and words[0].strip("(:,|—–-·• "):
        return "posted-by"
    return "name-date" if words.index("N") < words.index("D") else "date-name"


def _is_trailing(sheet: Sheet, marks: Sequence[Mark]) -> bool:
    """Whether the marks sign the post above them: decided once, by the first and last block, then by blank lines."""
    words = [at for at in sheet.filled if name_debris(sheet.lines[at], True) is None and not is_score(sheet.lines[at])]
    if not words:
        return False
    starts, ends = words[0] >= marks[0].lines[0], words[-1] < marks[-1].lines[1]
    if starts != ends:
        return ends
    nearer: Counter[bool] = Counter()
    for mark in marks[1:-1] or marks:
        above, below = bisect_left(words, mark.lines[0]) - 1, bisect_left(words, mark.lines[1])
        if above >= 0 and below < len(words):
            gaps = mark.lines[0] - words[above], words[below] - mark.lines[1] + 1
            if gaps[0] != gaps[1]:
                nearer[gaps[0] < gaps[1]] += 1
    return nearer[True] > nearer[False]


def _split_leading(sheet: Sheet, marks: Sequence[Mark]) -> tuple[list[Block], int]:
    """A block from each mark to the next."""
    ends = [*(mark.lines[0] for mark in marks[1:]), len(sheet.lines)]
    blocks = [_make_block(mark, (mark.lines[1], end)) for mark, end in zip(marks, ends, strict=True)]
    end = find_end(sheet, blocks)
    blocks[-1] = replace(blocks[-1], body=(blocks[-1].body[0], max(end, blocks[-1].body[0])))
    return blocks, end


def _split_trailing(sheet: Sheet, marks: Sequence[Mark]) -> tuple[list[Block], int]:
    """A block from each mark back to the one before. Where the first begins is found by the others' lengths."""
    starts = [mark.lines[1] for mark in marks[:-1]]
    lengths = sorted(sheet.count_filled(start, mark.lines[0]) for start, mark in zip(starts, marks[1:], strict=True))
    usual = lengths[len(lengths) // 2] if lengths else 1
    starts.insert(0, find_first_start(sheet, marks[0].lines[0], usual))
    blocks = []
    for mark, start in zip(marks, starts, strict=True):
        first = sheet.find_filled(start)
        column = indent_of(sheet.lines[first]) if first is not None else 0
        blocks.append(replace(_make_block(mark, (start, mark.lines[0])), column=column, signed=True))
    return blocks, marks[-1].lines[1]


def find_first_start(sheet: Sheet, end: int, usual: int) -> int:
    """Where the post that ends here begins if text may stand above it: below a heading, a wide gap, or at the top."""
    gaps = []
    place = sheet.find_filled(end, -1)
    while place is not None:
        if is_heading(sheet.lines[place]):
            return place + 1
        above = sheet.find_filled(place, -1)
        if above is not None and place - above > 2:
            gaps.append(place)
        place = above
    if gaps:
        return gaps[0]
    top = sheet.find_filled(0)
    if top is not None and top < end and _is_heading_line(sheet, top, end):
        return top + 1
    if sheet.count_filled(0, end) > max(3 * usual, usual + 6):
        first = sheet.find_filled(end, -usual)
        return first if first is not None else 0
    return 0


def _split_children(sheet: Sheet, blocks: list[Block]) -> list[Block]:
    """The blocks, with what stands below "2 comments" apart: on a news site's page answers whose names are lost."""
    split = []
    found = 0
    for block in blocks:
        at = sheet.find_filled(block.body[0])
        while at is not None and at < block.body[1] and not CHILDREN.fullmatch(sheet.lines[at].strip()[:40]):
            at = sheet.find_filled(at + 1)
        if at is None or at >= block.body[1] or block.signed or not has_words(sheet, (at + 1, block.body[1])):
            split.append(block)
            continue
        found += 1
        below = Block((at, at + 1), (at + 1, block.body[1]), block.column, confidence=0.5)
        split += [replace(block, body=(block.body[0], at)), below]
    return split if 3 * found >= len(blocks) else blocks


def _is_heading_line(sheet: Sheet, at: int, end: int) -> bool:
    """Whether the first line is a title: alone, short, no sentence, and text below it."""
    line = sheet.lines[at].strip()
    return sheet.gap_after(at) > 0 and len(line) <= 100 and line[-1:].isalnum() and sheet.count_filled(at, end) > 1


def _take_dates(sheet: Sheet, blocks: list[Block], headers: dict[int, Header]) -> list[Block]:
    """The blocks with a date from the last line of each where most have one there."""
    dated = []
    for block in blocks:
        at = sheet.find_filled(block.body[1], -1)
        while at is not None and at >= block.body[0] and name_debris(sheet.lines[at], at_edge=True):
            at = sheet.find_filled(at, -1)
        header = headers.get(at) if at is not None and at >= block.body[0] else None
        if at is not None and header is not None and header.date and not header.name:
            block = replace(block, body=(block.body[0], at), date=header.date, dated=(at, block.body[1]))
        dated.append(block)
    return dated if sum(block.dated is not None for block in dated) >= MOST * len(blocks) else blocks


def _make_block(mark: Mark, body: Lines) -> Block:
    return Block(mark.lines, body, mark.column, mark.name, mark.date, mark.number)


def find_end(sheet: Sheet, blocks: Sequence[Block]) -> int:
    """The line at which the last block ends: a form or notice, or what stands further left than all posts do."""
    first, end = blocks[-1].body
    margins = [
        indent_of(sheet.lines[at])
        for block in blocks[:-1]
        for at in range(min(block.header[0], block.body[0]), max(block.header[1], block.body[1]))
        if sheet.lines[at].strip()
    ]
    margin = max(min(margins, default=0) - 1, 0)  # one column less may be a "10." below a " 9."
    at = sheet.find_filled(first)
    while at is not None and at < end:
        line = sheet.lines[at]
        if indent_of(line) < margin or is_closing(line) or (at > first and is_heading(line)):
            return at
        at = sheet.find_filled(at + 1)
    return end


def _weigh(sheet: Sheet, layout: str, blocks: list[Block], end: int, trailing: bool) -> Division | None:
    """The division with its evidence: how many of its posts have words, stand apart and show a name."""
    full = sum(has_words(sheet, block.body) for block in blocks) / len(blocks)
    apart = sum(sheet.gap_before(block.header[0]) > 0 for block in blocks) / len(blocks)
    names = {block.name for block in blocks if block.name}
    if layout == "date" and len(blocks) < MINIMUM_DATES:
        return None
    if full < 0.5 or (layout == "name-says" and len(blocks) == 1 and not _is_top(sheet, blocks[0])):
        return None
    base = BASES[layout]
    regular = full * (0.75 + 0.25 * apart)
    confidence = min(0.97, (0.6 + 0.4 * base) * (0.5 + 0.5 * regular) * (1 - 0.4 / (len(blocks) + 0.3 * len(names))))
    reason = f"{len(blocks)} lines of the form {layout} {'below' if trailing else 'above'} a text"
    return Division(layout, reason, tuple(blocks), base * regular * len(blocks), confidence, end)


def _is_top(sheet: Sheet, block: Block) -> bool:
    return sheet.find_filled(0) == block.header[0]


def has_words(sheet: Sheet, lines: Lines) -> bool:
    """Whether anything but buttons stands in the lines."""
    at = sheet.find_filled(lines[0])
    while at is not None and at < lines[1]:
        if name_debris(sheet.lines[at], True) is None:
            return True
        at = sheet.find_filled(at + 1)
    return False
