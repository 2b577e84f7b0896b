"""Posts that nothing heads or signs: a name and a text in turn, buttons or rules between posts, runs of blank lines.

All are weak evidence: an article has lists and gaps too. They count only where nothing better divides the text.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from stance.read.text.debris import is_closing, is_heading, name_debris
from stance.read.text.headers import clean_name, is_name, read_header
from stance.read.text.layouts import Block, Division, find_end
from stance.read.text.lines import indent_of

if TYPE_CHECKING:
    from stance.read.text.lines import Sheet

MINIMUM_TURNS = 6  # names and texts in turn
MINIMUM_PARTS = 4  # between runs of blank lines: an article may have two or three
LONGEST_NAME = 40
RULE = re.compile(r"(?:[-=_*~#–—•·]\s?){3,200}")


def find_unmarked(sheet: Sheet) -> list[Division]:
    """The divisions that need no header."""
    found = [_divide_turns(sheet), _divide_buttons(sheet), _divide_rules(sheet), _divide_gaps(sheet)]
    return [division for division in found if division is not None]


def _divide_turns(sheet: Sheet) -> Division | None:
    """The division of the longest run of lines at one indent that are a name and a text in turn."""
    best: list[int] = []
    for run in _find_runs(sheet):
        if len(run) > len(best) and (turns := _match_turns(sheet, run)):
            best = turns
    if not best:
        return None
    blocks = [
        Block((at, at + 1), (at + 1, text + 1), indent_of(sheet.lines[at]), clean_name(sheet.lines[at].strip())[0])
        for at, text in zip(best[::2], best[1::2], strict=True)
    ]
    names = [block.name for block in blocks]
    confidence = 0.55 + 0.15 * (len(set(names)) < len(names)) + 0.1 * (len(blocks) > 20)
    reason = f"{len(blocks)} times a short line that may be a name and a longer line, in turn"
    return Division("turns", reason, tuple(blocks), 0.4 * len(blocks), confidence, best[-1] + 1, nested=False)


def _find_runs(sheet: Sheet) -> list[list[int]]:
    """Lines with words at one indent, with a blank line at most between them."""
    runs: list[list[int]] = []
    indent = -1
    for at in sheet.filled:
        here = indent_of(sheet.lines[at])
        if here != indent or at - runs[-1][-1] > 2:
            runs.append([])
            indent = here
        runs[-1].append(at)
    return [run for run in runs if len(run) >= 2 * MINIMUM_TURNS]


def _match_turns(sheet: Sheet, run: list[int]) -> list[int]:
    """The run, or all but its first line, if every other line may be a name; else nothing."""
    short = [_may_be_name(sheet.lines[at]) for at in run]
    lengths = [len(sheet.lines[at].strip()) for at in run]
    for first in (0, 1):
        count = (len(run) - first) // 2
        end = first + 2 * count
        names, texts = short[first:end:2], short[first + 1 : end : 2]
        longer = sum(lengths[first + 1 : end : 2]) > 2.5 * sum(lengths[first:end:2])
        printed = Counter(sheet.lines[at].strip() for at in run[first:end:2])
        repeated = max(printed.values()) > 1 or count > 30
        if sum(names) >= 0.93 * count and 2 * sum(texts) < count and longer and repeated:
            return run[first:end]
    return []


def _may_be_name(line: str) -> bool:
    text = line.strip()
    return len(text) <= LONGEST_NAME and is_name(text) and text[0] not in "*+-•" and read_header(text) is None


def _divide_buttons(sheet: Sheet) -> Division | None:
    """The division at lines of buttons ("3 Likes", "Reply") that stand below posts."""
    runs: list[tuple[int, int, set[str]]] = []
    for at in sheet.filled:
        name = name_debris(sheet.lines[at], at_edge=True)
        if name is None:
            continue
        if runs and sheet.find_filled(at, -1) == runs[-1][1] - 1:
            runs[-1] = (runs[-1][0], at + 1, runs[-1][2] | {name.lower()})
        else:
            runs.append((at, at + 1, {name.lower()}))
    usual = Counter(name for _, _, names in runs for name in names).most_common(1)
    if not usual or usual[0][1] < 3:
        return None
    cuts = [(start, end) for start, end, names in runs if usual[0][0] in names]
    reason = f"{len(cuts)} times {usual[0][0]!r} between texts"
    return _divide_at(sheet, "buttons", reason, cuts, 0.3, 0.4)


def _divide_rules(sheet: Sheet) -> Division | None:
    """The division at lines of dashes, stars or the like."""
    rules = [at for at in sheet.filled if len(sheet.lines[at]) < 400 and RULE.fullmatch(sheet.lines[at].strip())]
    if len(rules) < 3:
        return None
    return _divide_at(sheet, "rules", f"{len(rules)} rules between texts", [(at, at + 1) for at in rules], 0.25, 0.4)


def _divide_gaps(sheet: Sheet) -> Division | None:
    """The division at runs of blank lines, where paragraphs are set apart by fewer."""
    gaps = Counter(below - above - 1 for above, below in itertools.pairwise(sheet.filled))
    widths = sorted(width for width in gaps if width > 0)
    if len(widths) + (0 in gaps) < 2 or not widths:
        return None
    narrow = widths[0] if len(widths) > 1 else 0
    wide = [width for width in widths if width > max(narrow, 1)]
    cuts = [
        (above + 1, below) for above, below in itertools.pairwise(sheet.filled) if wide and below - above - 1 >= wide[0]
    ]
    return _divide_at(sheet, "blank-lines", f"{len(cuts)} runs of blank lines between texts", cuts, 0.15, 0.5)


def _divide_at(
    sheet: Sheet, layout: str, reason: str, cuts: list[tuple[int, int]], base: float, confidence: float
) -> Division | None:
    """The division into what stands between the cuts, headings of the list left out."""
    if not cuts:
        return None
    edges = [(0, sheet.filled[0]), *cuts, (len(sheet.lines), len(sheet.lines))]
    parts: list[tuple[int, int]] = []
    for (_, start), (end, _) in itertools.pairwise(edges):
        first = sheet.find_filled(start)
        if first is None or first >= end:
            continue
        if sheet.count_filled(first, end) == 1 and is_heading(sheet.lines[first]):
            parts = []
            continue
        if is_closing(sheet.lines[first]):
            break
        parts.append((first, end))
    if parts and _is_title(sheet, parts[0]):
        parts = parts[1:]
    lone = sum(_is_title(sheet, part) for part in parts)
    if len(parts) < (3 if layout == "buttons" else MINIMUM_PARTS) or 0.3 * len(parts) < lone:
        return None
    named = layout == "buttons" and all(
        _may_be_name(sheet.lines[first]) and sheet.count_filled(first, end) > 1 for first, end in parts
    )
    blocks = [_make_block(sheet, first, end, named) for first, end in parts]
    end = find_end(sheet, blocks)
    blocks[-1] = replace(blocks[-1], body=(blocks[-1].body[0], max(end, blocks[-1].body[0] + 1)))
    return Division(layout, reason, tuple(blocks), base * len(blocks), confidence, end, nested=False)


def _make_block(sheet: Sheet, first: int, end: int, named: bool) -> Block:
    """The lines as a post; named: the first is its author's name."""
    line = sheet.lines[first]
    name = clean_name(line.strip())[0] if named else None
    return Block((first, first + named), (first + named, end), indent_of(line), name)


def _is_title(sheet: Sheet, part: tuple[int, int]) -> bool:
    """Whether a part is one short line that is no sentence."""
    line = sheet.lines[part[0]].strip()
    return sheet.count_filled(*part) == 1 and len(line) <= 100 and line[-1].isalnum() and line[:1].isupper()
