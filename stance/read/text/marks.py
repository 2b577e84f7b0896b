"""Header lines to marks: the name near a date, the date near a name, the lines that belong to neither.

What stands where is decided for all marks of a kind at once: a short line above one date may be a name or the last
word of a post; above each of twenty it is the name.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stance.read.text.debris import is_closing, is_fact, is_heading, is_score, name_debris
from stance.read.text.headers import Header, clean_name, is_name_line, read_header, read_number
from stance.read.text.lines import indent_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stance.read.text.lines import Sheet

Lines = tuple[int, int]  # first line, one past the last

NAME_REACH = 3  # lines above a date in which the name may stand, rank and member's data not counted
MOST_FACTS = 8  # lines with these
LONGEST_NAME_LINE = 80
MOST = 0.8  # of a group's marks must agree on where the name stands
SUBJECT = re.compile(r"[^\n]{0,120}\(Score:[^()\n]{1,40}\)|Re: [^\n]{1,120}", re.IGNORECASE)  # Slashdot's, phpBB's


@dataclass(frozen=True, slots=True)
class Mark:
    """A post's header or signature, in lines of its own."""

    lines: Lines
    column: int  # where its words begin
    name: str | None = None
    date: str | None = None
    number: str | None = None
    anonymous: bool = False


def drop_outdented(marks: list[Mark]) -> list[Mark]:
    """The marks without those further left than nearly all: on a page these are of other lists."""
    columns = Counter(mark.column for mark in marks)
    column, count = columns.most_common(1)[0]
    rare = len(marks) >= 5 and count >= MOST * len(marks)
    return [mark for mark in marks if mark.column >= column - 1] if rare else marks


def add_names(sheet: Sheet, marks: list[Mark]) -> tuple[list[Mark], str]:
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


def add_dates(sheet: Sheet, marks: list[Mark], headers: dict[int, Header]) -> tuple[list[Mark], str]:
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


def add_tail(sheet: Sheet, mark: Mark) -> Mark:
    """The mark with what belongs to it: a subject line above; below, signs, "#12" and the member's data."""
    number, (first, end) = mark.number, mark.lines
    above = sheet.find_filled(first, -1)
    if above is not None and first - above <= 2 and SUBJECT.fullmatch(sheet.lines[above].strip()):
        first = above
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


def keep_thread(sheet: Sheet, marks: list[Mark]) -> list[Mark]:
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
