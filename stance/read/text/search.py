"""All ways to divide a text into posts, the best first, and how sure the best is."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from stance.read.text.layouts import Block, Division, find_marks, has_words
from stance.read.text.lines import indent_of
from stance.read.text.numbered import Item, find_list, pair_with_ends, read_name
from stance.read.text.signatures import find_signatures
from stance.read.text.unmarked import find_unmarked

if TYPE_CHECKING:
    from stance.read.text.lines import Sheet


def find_divisions(sheet: Sheet) -> list[Division]:
    """The ways to divide a text, most evidence first; none where nothing divides it."""
    found = [*_divide_list(sheet), *find_marks(sheet), *find_signatures(sheet), *find_unmarked(sheet)]
    return sorted(found, key=lambda division: -division.weight)


def rate_division(divisions: list[Division], chosen: Division) -> tuple[float, Division | None]:
    """How sure the division is, and the next best that divides the text at other lines."""
    starts = {block.header[0] if block.header[0] < block.header[1] else block.body[0] for block in chosen.blocks}
    for other in divisions:
        if other is chosen:
            continue
        strange = [block for block in other.blocks if not starts & set(range(block.header[0] - 1, block.header[1] + 1))]
        share = len(strange) / max(len(other.blocks), 1)
        doubt = share * min(other.weight / chosen.weight, 1.0) if chosen.weight else 0.0
        return round(chosen.confidence * (1 - 0.5 * doubt), 2), other
    return round(chosen.confidence, 2), None


def _divide_list(sheet: Sheet) -> list[Division]:
    """The division by a numbered list of posts."""
    items = find_list(sheet.lines)
    if not items:
        return []
    blocks = [_make_block(sheet, item, end) for item, end in pair_with_ends(items, len(sheet.lines))]
    kept = [block for block in blocks if block.name or block.cut is not None or has_words(sheet, block.body)]
    if not kept:
        return []
    named = sum(block.name is not None for block in kept)
    reason = f"{len(items)} rising numbers at one margin, {named} of them with a name"
    base = 0.99 if named == len(kept) else 0.9
    confidence = 0.97 if named and len(kept) > 2 else 0.85
    return [Division("numbered", reason, tuple(kept), base * len(kept), confidence, nested=False)]


def _make_block(sheet: Sheet, item: Item, end: int) -> Block:
    header = read_name(item, sheet.lines[item.line + 1 : end])
    line = sheet.lines[item.line]
    first = item.line + 1
    cut = None
    if header is None:
        cut = len(line.rstrip()) - len(item.rest) if item.rest else None
    elif header.date and header.shape.count("D") == 0:  # the date is on the line below
        first += 1
    name, date = (header.name, header.date) if header else (None, None)
    body = (item.line if cut is not None else first, end)
    return Block((item.line, first), body, item.indent, name, date, str(item.number), cut)


def find_stray(sheet: Sheet, chosen: Division) -> int | None:
    """The first line that stands further left than the numbers of a list do and is none of its posts' first lines."""
    margin = min(block.column for block in chosen.blocks)
    starts = {block.header[0] for block in chosen.blocks}
    for at in sheet.filled[bisect_left(sheet.filled, min(starts)) :]:
        if at not in starts and indent_of(sheet.lines[at]) <= margin:
            return at
    return None
