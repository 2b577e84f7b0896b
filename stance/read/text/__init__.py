"""Text dumps in any layout: which lines head posts, which are posts' words, which are none of the thread's.

`stance.read.text.search` finds the ways to divide the text; the one with the most evidence is taken, the next is named
as the runner-up. Every line of the text belongs to a span of the reading.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from stance.read.text.debris import is_score, name_debris
from stance.read.text.headers import order_days
from stance.read.text.layouts import Block, Division
from stance.read.text.lines import LINE_END, UNSEEN, Sheet, dedent, is_blank, strip_blank
from stance.read.text.opening import Opening, split_opening
from stance.read.text.search import find_divisions, find_stray, rate_division
from stance.read.times import parse_time
from stance.records import Post, Reading, Reply, Span, SpanKind, StanceError, Thread

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["UNSEEN", "read_text"]

NESTING_CONFIDENCE = 0.9
UNSURE = 0.5  # below it the reader is warned
OUTSIDE: tuple[SpanKind, int | None] = ("outside", None)
NOTHING = Division("none", "no line divides it into posts", (), 0.0, 0.1)


def read_text(text: str, path: Path, layout: str | None = None) -> Thread:
    """The loose thread of a text dump. What nothing divides into posts is an article, and a warning says so."""
    sheet = Sheet(text)
    divisions = find_divisions(sheet)
    chosen = _choose(divisions, layout, path)
    confidence, runner_up = rate_division(divisions, chosen)
    page = _Page(sheet, chosen)
    posts = tuple(page.read_posts(confidence))
    opening = page.read_opening(bool(posts))
    title, article, blurb = opening.read(sheet)
    page.count_rest()
    return Thread(
        id=path.stem,
        source=str(path),
        sha256=None,
        title=title,
        article=article,
        blurb=blurb,
        posts=posts,
        warnings=tuple(_find_warnings(sheet, chosen, confidence)),
        reading=Reading(
            format="text",
            layout=chosen.layout,
            reason=chosen.reason,
            confidence=confidence,
            runner_up=runner_up.layout if runner_up else None,
            dropped=tuple(page.dropped.most_common()),
            spans=tuple(page.make_spans(text)),
        ),
    )


def _choose(divisions: list[Division], layout: str | None, path: Path) -> Division:
    """The division with the most evidence, or the one that the user names."""
    if layout is None or layout == NOTHING.layout:
        return divisions[0] if divisions and layout is None else NOTHING
    for division in divisions:
        if division.layout == layout:
            return division
    others = ", ".join(dict.fromkeys(division.layout for division in divisions)) or "none"
    raise StanceError(f"{path}: not in the layout {layout}: leave it open, or name one that fits ({others})")


def _find_warnings(sheet: Sheet, chosen: Division, confidence: float) -> list[str]:
    if not chosen.blocks:
        return [
            "no comments found: nothing in the text shows where posts begin, so all of it is the article "
            '(write the posts as .jsonl rows {"id", "author", "text"} if there are any)'
        ]
    if chosen.layout == "numbered" and (stray := find_stray(sheet, chosen)) is not None:
        return [f"line {stray + 1}: text further left than the posts' is read as part of the post above it"]
    if confidence < UNSURE:
        return [f"where posts begin is uncertain ({chosen.layout}: {chosen.reason}): look at the first few before use"]
    return []


class _Page:
    """The lines of a text, each given to what it is part of."""

    def __init__(self, sheet: Sheet, chosen: Division) -> None:
        self.sheet = sheet
        self.chosen = chosen
        self.dropped: Counter[str] = Counter()
        self._kinds: dict[int, tuple[SpanKind, int | None]] = {}  # of lines with words
        self._cuts: dict[int, tuple[int, SpanKind, SpanKind, int]] = {}  # of lines that two spans share
        self._scores = _find_scores(sheet, chosen.blocks)
        self._edges = Counter(
            name
            for block in chosen.blocks
            if (last := sheet.find_filled(block.body[1], -1)) is not None
            and last >= block.body[0]
            and (name := name_debris(sheet.lines[last], True))
        )

    def read_posts(self, confidence: float) -> list[Post]:
        """The posts, without blocks that show neither a name nor a word."""
        posts: list[Post] = []
        dates = order_days([block.date or "" for block in self.chosen.blocks])
        parents = _Parents(self.chosen)
        following = [block.name for block in (*self.chosen.blocks[1:], *self.chosen.blocks[-1:])]
        for block, date, name in zip(self.chosen.blocks, dates, following, strict=True):
            body = self._read_body(block, len(posts), name)
            if not body and block.name is None and block.date is None:
                continue
            self._mark(range(*block.header), "header", len(posts))
            if block.dated:
                self._mark(range(*block.dated), "header", len(posts))
            if block.cut is not None:
                self._share(block, len(posts))
            parent = parents.find(block.column, len(posts))
            shared = len({named.name for named in self.chosen.blocks[:50]}) > 1
            posts.append(
                Post(
                    id=str(len(posts)),
                    body=body,
                    number=block.number,
                    author=block.name,
                    time=parse_time(date) if date else None,
                    replies=() if parent is None else (Reply(parent, "nesting", NESTING_CONFIDENCE),),
                    line=min(block.header[0], block.body[0]) + 1,
                    confidence=round(confidence * block.confidence * (0.9 if shared and block.name is None else 1), 2),
                )
            )
        return posts

    def read_opening(self, has_posts: bool) -> Opening:
        """What stands above the posts."""
        firsts = [min(block.header[0], block.body[0]) for block in self.chosen.blocks[:1]]
        end = firsts[0] if firsts and has_posts else len(self.sheet.lines)
        while has_posts and (last := self.sheet.find_filled(end, -1)) is not None and self._is_debris(last, "bottom"):
            self._drop(last)
            end = last
        opening = split_opening(self.sheet, end, has_posts)
        if opening.title is not None:
            self._mark([opening.title], "title", None)
        self._mark(range(opening.article, opening.blurb), "article", None)
        self._mark(range(opening.blurb, opening.end), "blurb", None)
        return opening

    def count_rest(self) -> None:
        """Count the lines below the thread as dropped."""
        if self.chosen.blocks and self.chosen.end is not None:
            rest = self.sheet.count_filled(self.chosen.end, len(self.sheet.lines))
            if rest:
                self.dropped["line below the thread"] = rest

    def make_spans(self, text: str) -> list[Span]:
        """The whole text in order; blank lines belong to what is above them."""
        spans: list[Span] = []
        start = at = 0
        kind: tuple[SpanKind, int | None] = OUTSIDE
        for line, end in enumerate(_line_ends(text)):
            here = self._kinds.get(line, kind if is_blank(self.sheet.lines[line]) else OUTSIDE)
            if line in self._cuts:
                place, first, second, post = self._cuts[line]
                spans.append(Span(start, at, *kind)) if at > start else None
                spans.append(Span(at, at + place, first, post))
                start, kind = at + place, (second, post)
            elif here != kind:
                spans.append(Span(start, at, *kind)) if at > start else None
                start, kind = at, here
            at = end
        return [*spans, Span(start, at, *kind)] if at > start else spans

    def _read_body(self, block: Block, post: int, following: str | None) -> str:
        """The words of a block, without buttons at its edges and the next member's picture (a letter) at its end."""
        first, end = block.body
        lines = self.sheet.lines
        leading = block.cut is not None and not block.signed
        trailing = block.cut is not None and block.signed
        kept = [at for at in range(first + leading, end - trailing) if lines[at].strip() and not self._drop_inside(at)]
        if not leading:
            while len(kept) > 1 and self._is_debris(kept[0], "top"):
                self._drop(kept.pop(0))
        if len(kept) > 1 and following and lines[kept[-1]].strip() == following[:1].upper():
            self._drop(kept.pop())
        buttons = 0
        while kept and (
            self._is_debris(kept[-1], "bottom", alone=len(kept) == 1 and not leading)
            or (buttons and len(kept) > 1 and is_score(lines[kept[-1]]))  # points stand beside the buttons
        ):
            self._drop(kept.pop())
            buttons += 1
        self._mark(kept, "body", post)
        inside = set(kept)
        body = dedent([lines[at] if at in inside else "" for at in range(kept[0], kept[-1] + 1)] if kept else [])
        if leading:
            gap = [""] * min(kept[0] - first - 1, 1) if kept else []
            shared = lines[first][block.cut :].strip()
            if name_debris(shared, at_edge=True) != "Avatar":
                body = [shared, *gap, *body]
            elif body:
                self.dropped["Avatar"] += 1
        elif trailing:
            body = [*body, lines[end - 1][: block.cut].strip()]
        elif body and self.chosen.layout == "answers":  # its comments are the items of a list
            body[0] = body[0].removeprefix("* ")
        return "\n".join(_squeeze(strip_blank(body)))

    def _is_debris(self, at: int, edge: str, alone: bool = False) -> bool:
        line = self.sheet.lines[at]
        if edge in self._scores and is_score(line):
            return True
        name = name_debris(line, at_edge=True)
        return name is not None and (not alone or self._edges[name] > 1)

    def _drop_inside(self, at: int) -> bool:
        if name_debris(self.sheet.lines[at], at_edge=False) is None:
            return False
        self._drop(at)
        return True

    def _drop(self, at: int) -> None:
        line = self.sheet.lines[at]
        name = name_debris(line, at_edge=True)
        self.dropped[name if name else "score"] += 1
        self._kinds[at] = ("debris", None)

    def _mark(self, lines: Sequence[int] | range, kind: SpanKind, post: int | None) -> None:
        for at in lines:
            if self.sheet.lines[at].strip():
                self._kinds[at] = (kind, post)

    def _share(self, block: Block, post: int) -> None:
        """Note the line that a header and a body share."""
        assert block.cut is not None
        if not block.signed:
            words = self.sheet.lines[block.header[0]][block.cut :]
            kind: SpanKind = "body" if name_debris(words.strip(), at_edge=True) != "Avatar" else "debris"
            self._cuts[block.header[0]] = (block.cut, "header", kind, post)
        else:
            self._cuts[block.header[0]] = (block.cut, "body", "header", post)


class _Parents:
    """Whom a post answers, by how far in the posts stand: the last one above it that stands further left."""

    TOLERANCE = 1  # characters: " 9." stands further in than "10."

    def __init__(self, chosen: Division) -> None:
        self._known = chosen.nested and _is_nesting({block.column for block in chosen.blocks}, len(chosen.blocks))
        self._open: list[tuple[int, int]] = []  # column and post, each further in than the one before

    def find(self, column: int, post: int) -> int | None:
        if not self._known:
            return None
        while self._open and self._open[-1][0] >= column - self.TOLERANCE:
            self._open.pop()
        parent = self._open[-1][1] if self._open else None
        self._open.append((column, post))
        return parent


def _is_nesting(columns: set[int], posts: int) -> bool:
    """Whether depths are levels, not lines that are centred or wrapped: few, or all multiples of one step."""
    step = math.gcd(*(column - min(columns) for column in columns)) if columns else 0
    return len(columns) > 1 and (len(columns) <= max(3, posts // 2) or step > 1)


def _find_scores(sheet: Sheet, blocks: Sequence[Block]) -> set[str]:
    """At which edge of their posts, "top" or "bottom", most have a score."""
    seen: Counter[str] = Counter()
    for block in blocks:
        top = sheet.find_filled(block.body[0])
        bottom = sheet.find_filled(block.body[1], -1)
        seen["top"] += top is not None and top < block.body[1] and is_score(sheet.lines[top])
        seen["bottom"] += bottom is not None and bottom >= block.body[0] and is_score(sheet.lines[bottom])
    return {edge for edge, count in seen.items() if count > 1 and 2 * count >= len(blocks) - 1}


def _line_ends(text: str) -> list[int]:
    """For every line, one past its last character, its line end included."""
    return [*(match.end() for match in LINE_END.finditer(text)), len(text)]


def _squeeze(lines: list[str]) -> list[str]:
    """The lines with one blank line where there are more."""
    return [line for at, line in enumerate(lines) if line or at == 0 or lines[at - 1]]
