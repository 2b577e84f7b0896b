"""A text as lines: which are blank, how far in each stands, what two of them have in common."""

from __future__ import annotations

import re
from bisect import bisect_left

# str.splitlines also breaks at form feeds and U+2028: its line numbers would not be an editor's.
LINE_END = re.compile(r"\r\n|\r|\n")
UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad"  # zero-width: no width, no words, yet str.strip keeps them
INDENTED = re.compile(rf"[\s{UNSEEN}]*")


class Sheet:
    """The lines of a text, and where those with words are."""

    def __init__(self, text: str) -> None:
        self.lines = LINE_END.split(text)
        self.filled = [at for at, line in enumerate(self.lines) if not is_blank(line)]

    def find_filled(self, at: int, step: int = 0) -> int | None:
        """The first line with words from `at` on, or one that is `step` such lines further; None beyond either end."""
        place = bisect_left(self.filled, at) + step
        return self.filled[place] if 0 <= place < len(self.filled) else None

    def count_filled(self, first: int, end: int) -> int:
        """How many lines with words there are from first to end."""
        return max(bisect_left(self.filled, end) - bisect_left(self.filled, first), 0)

    def gap_before(self, at: int) -> int:
        """Blank lines above a line; many at the top of the text."""
        above = self.find_filled(at, -1)
        return at - above - 1 if above is not None else len(self.lines)

    def gap_after(self, at: int) -> int:
        """Blank lines below a line; many at the end of the text."""
        below = self.find_filled(at + 1)
        return below - at - 1 if below is not None else len(self.lines)


def is_blank(line: str) -> bool:
    return INDENTED.fullmatch(line) is not None


def indent_of(line: str) -> int:
    """Characters of blank space before the first word."""
    match = INDENTED.match(line)
    return match.end() if match else 0


def dedent(lines: list[str]) -> list[str]:
    """The lines without the blank space that all of them begin with, and without any at their ends."""
    margin = min((indent_of(line) for line in lines if not is_blank(line)), default=0)
    return ["" if is_blank(line) else line[margin:].rstrip() for line in lines]


def strip_blank(lines: list[str]) -> list[str]:
    filled = [at for at, line in enumerate(lines) if not is_blank(line)]
    return lines[filled[0] : filled[-1] + 1] if filled else []
