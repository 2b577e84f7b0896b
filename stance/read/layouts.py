"""Ways to divide a text into posts, each with the evidence for it.

A thread heads (or signs) its posts in one way. So lines are grouped by the shape of what may be a header, and every
group is a candidate: its lines divide the text, and how regular they are and what they show is its evidence. Lists
with numbers, signatures inside a line and the like have finders of their own (`stance.read.numbered`,
`stance.read.marks`). `find_divisions` returns all, the best first.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stance.read.debris import is_closing, is_fact, is_heading, is_score, name_debris
from stance.read.headers import Header, clean_name, is_name_line, read_header, read_number
from stance.read.lines import indent_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stance.read.lines import Sheet

Lines = tuple[int, int]  # first line, one past the last

MAXIMUM_LINE = 1000  # characters with their indent; a longer line is no header
NAME_REACH = 3  # lines above a date in which the name may stand, rank and member's data not counted
MOST_FACTS = 8  # lines with these
LONGEST_NAME_LINE = 80
MOST = 0.8  # of a group's marks must agree on where the name stands


@dataclass(frozen=True, slots=True)
class Mark:
    """A post's header or signature, in lines of its own."""

    lines: Lines
    column: int  # where its words begin
    name: str | None = None
    date: str | None = None
    number: str | None = None
    anonymous: bool = False


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
    headers = {at: header for at in sheet.filled if (header := _read_line(sheet.lines[at])) is not None}
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


SUBJECT = re.compile(r"[^\n]{0,120}\(Score:[^()\n]{1,40}\)", re.IGNORECASE)  # Slashdot's
MAXIMUM_GROUPS = 24  # looked at, the largest


def _read_line(line: str) -> Header | None:
    return read_header(line) if len(line) <= MAXIMUM_LINE else None


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
    marks = _drop_outdented(marks)
    if layout == "date":
        marks, layout = _add_names(sheet, marks)
    elif layout == "name-says":
        marks, layout = _add_dates(sheet, marks, headers)
    marks = [_add_tail(sheet, mark) for mark in marks]
    marks = _keep_thread(sheet, marks)
    if not marks or (len(marks) == 1 and layout not in SURE_ALONE):
        return None
    trailing = layout not in ALWAYS_LEADING and _is_trailing(sheet, marks)
    blocks, end = (_split_trailing if trailing else _split_leading)(sheet, marks)
    if not any(block.date for block in blocks):
        blocks = _take_dates(sheet, blocks, headers)
    blocks = _split_children(sheet, blocks)
    return _weigh(sheet, layout, blocks, end, trailing)


def _drop_outdented(marks: list[Mark]) -> list[Mark]:
    """The marks without those further left than nearly all: on a page these are of other lists."""
    columns = Counter(mark.column for mark in marks)
    column, count = columns.most_common(1)[0]
    rare = len(marks) >= 5 and count >= MOST * len(marks)
    return [mark for mark in marks if mark.column >= column - 1] if rare else marks


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


def _name_layout(shape: str) -> str:
    words = shape.split()
    if "N" not in words:
        return "date"
    if "D" not in words:
        return "name-says"
    if words[0] not in ("N", "D") and words[0].strip("(:,|—–-·• "):
        return "posted-by"
    return "name-date" if words.index("N") < words.index("D") else "date-name"


def _add_names(sheet: Sheet, marks: list[Mark]) -> tuple[list[Mark], str]:
    """The marks of lines with a date alone, with the names from a line near it if most have one there."""
    taken = {mark.lines[0] for mark in marks}
    above = {step: _name_lines(sheet, marks, -step, taken) for step in range(1, NAME_REACH + 1)}
    below = _name_lines(sheet, marks, 1, taken)
    enough = MOST * len(marks)
    fitting = {step: names for step, names in above.items() if len(names) >= enough}
    step = _choose_step(sheet, fitting)
    if step is None and len(below) < enough:
        return marks, "date"
    if step == 1 and len(below) >= enough and _mean_gap(sheet, marks, -1) > _mean_gap(sheet, marks, 1):
        step = None
    names = below if step is None else fitting[step]
    columns = {mark.column for mark in marks if mark.lines[0] in names}
    named = []
    for mark in marks:
        at = names.get(mark.lines[0])
        if at is not None:
            number, place = read_number(sheet.lines[at].strip())
            name, anonymous = clean_name(sheet.lines[at].strip()[place:])
            lines = (min(at, mark.lines[0]), max(at + 1, mark.lines[1]))
            column = indent_of(sheet.lines[at]) + place
            named.append(Mark(lines, column, name, mark.date, mark.number or number, anonymous))
        elif mark.column in columns:
            named.append(mark)
    layout = "date-name" if step is None else "name-date" if step == 1 else "profile"
    return named, layout


def _name_lines(sheet: Sheet, marks: Sequence[Mark], step: int, taken: set[int]) -> dict[int, int]:
    """For marks, by their line, the line so many lines away, where it may be a name and no mark is between.

    Blank lines and those with a member's rank and data do not count.
    """
    found = {}
    for mark in marks:
        place: int | None = mark.lines[0]
        for _ in range(abs(step)):
            place = _next_line(sheet, place, 1 if step > 0 else -1, taken)
        if place is not None and _may_name(sheet.lines[place].strip()):
            found[mark.lines[0]] = place
    return found


def _next_line(sheet: Sheet, at: int | None, step: int, taken: set[int]) -> int | None:
    """The next line up or down that is near, no mark, and not about the member."""
    for _ in range(MOST_FACTS):
        place = sheet.find_filled(at, step) if at is not None else None
        if place is None or at is None or abs(place - at) > 3 or place in taken:
            return None
        at = place
        if len(sheet.lines[at].strip()) > 160:
            return None
        if not is_fact(sheet.lines[at]):
            return at
    return None


def _may_name(text: str) -> bool:
    """Whether a line may be a name and nothing else that stands above posts."""
    if len(text) > LONGEST_NAME_LINE or name_debris(text, at_edge=True) or is_heading(text) or is_closing(text):
        return False
    return is_name_line(text[read_number(text)[1] :]) and read_header(text) is None and not is_score(text)


def _choose_step(sheet: Sheet, fitting: dict[int, dict[int, int]]) -> int | None:
    """How far above the date the name stands: next to it, unless ranks stand there, of which there are few."""
    best = min(fitting, default=None)
    for step in sorted(fitting):
        if best is None or step == best:
            continue
        near, far = ({sheet.lines[at] for at in fitting[place].values()} for place in (best, step))
        columns = [Counter(indent_of(sheet.lines[at]) for at in fitting[place].values()) for place in (best, step)]
        aligned = columns[0].most_common(1)[0][0] == columns[1].most_common(1)[0][0]
        if 2 * len(near) <= len(far) and 3 * len(near) <= len(fitting[best]) and aligned:
            best = step
    return best


def _mean_gap(sheet: Sheet, marks: Sequence[Mark], step: int) -> float:
    """Blank lines between the marks and the line above (-1) or below (1)."""
    gap = sheet.gap_before if step < 0 else sheet.gap_after
    return sum(min(gap(mark.lines[0]), 3) for mark in marks) / len(marks)


def _add_dates(sheet: Sheet, marks: list[Mark], headers: dict[int, Header]) -> tuple[list[Mark], str]:
    """The marks of "NAME says" with the date of the line below (or above) where most have one there."""
    for step in (1, -1):
        dates = {}
        for mark in marks:
            at = sheet.find_filled(mark.lines[0], step)
            header = headers.get(at) if at is not None and abs(at - mark.lines[0]) <= 2 else None
            if at is not None and header is not None and header.date and not header.name:
                dates[mark.lines[0]] = (at, header)
        # Above all but the first, and below the last: each is the end of the post before.
        if len(dates) >= MOST * len(marks) and (step == 1 or marks[0].lines[0] in dates):
            joined = []
            for mark in marks:
                found = dates.get(mark.lines[0])
                if found:
                    at, header = found
                    lines = (min(at, mark.lines[0]), max(at + 1, mark.lines[1]))
                    mark = replace(mark, lines=lines, date=header.date, number=mark.number or header.number)
                joined.append(mark)
            return joined, "name-says-date"
    return marks, "name-says"


def _add_tail(sheet: Sheet, mark: Mark) -> Mark:
    """The mark with what belongs to it: a subject line above; below, signs, "#12" and the member's data."""
    number, (first, end) = mark.number, mark.lines
    if first > 0 and SUBJECT.fullmatch(sheet.lines[first - 1].strip()[:MAXIMUM_LINE]):
        first -= 1
    at = sheet.find_filled(end)
    while at is not None and at - end < 2:
        text = sheet.lines[at].strip()
        text = "" if text in ("*", "•", "·") else text.lstrip("*+•· ") or text
        if text.startswith("#") and text[1:].strip().isdecimal() and len(text) < 9:
            number = number or text[1:].strip()
        elif text and not is_fact(text):
            break
        end = at + 1
        at = sheet.find_filled(end)
    return replace(mark, lines=(first, end), number=number)


def _keep_thread(sheet: Sheet, marks: list[Mark]) -> list[Mark]:
    """The marks without an article's above the heading of the list, and without those of other lists below its end."""
    if not marks:
        return marks
    taken = {at for mark in marks for at in range(*mark.lines)}
    starts = [mark.lines[0] for mark in marks]
    middle = starts[len(starts) // 2]
    few = int(0.3 * len(marks))  # that may be of another list
    above = sheet.filled[bisect_left(sheet.filled, starts[0]) : bisect_left(sheet.filled, middle)]
    for at in reversed(above):
        if bisect_left(starts, at) <= few and at not in taken and is_heading(sheet.lines[at]):
            marks = marks[bisect_left(starts, at) :]
            break
    for at in sheet.filled[bisect_left(sheet.filled, middle) : bisect_left(sheet.filled, starts[-1])]:
        if len(starts) - bisect_left(starts, at) <= few and at not in taken and is_closing(sheet.lines[at]):
            return [mark for mark in marks if mark.lines[0] < at]
    return marks


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


CHILDREN = re.compile(r"\d{1,4} comments?", re.IGNORECASE)


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
    margin = min(margins, default=0)
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
