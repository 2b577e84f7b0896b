"""What stands above the posts of a text dump: its title, the article, the note on the article's author."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stance.read.text.debris import is_heading
from stance.read.text.headers import read_header
from stance.read.text.lines import Sheet, indent_of, is_blank, strip_blank

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
class Opening:
    """The lines above the posts by their positions."""

    title: int | None  # its line
    article: int  # first line of it
    blurb: int  # first line of the note on the author; end where there is none
    end: int  # one past the last line; from here on headings of the list of posts ("3 Comments")

    def read(self, sheet: Sheet) -> tuple[str | None, str | None, str | None]:
        """Title, article and blurb."""
        title = None if self.title is None else sheet.lines[self.title].strip()
        article = "\n".join(strip_blank(sheet.lines[self.article : self.blurb]))
        blurb = "\n".join(strip_blank(sheet.lines[self.blurb : self.end]))
        return title, article or None, blurb or None


def split_opening(sheet: Sheet, end: int, has_posts: bool) -> Opening:
    """The opening of the lines before end."""
    while has_posts and (last := sheet.find_filled(end, -1)) is not None and is_heading(sheet.lines[last]):
        end = last
    first = sheet.find_filled(0)
    title = None
    start = 0
    if first is not None and first < end and _is_title(sheet, first, end, has_posts):
        title, start = first, first + 1
    blurb = _find_blurb(sheet.lines, start, end) if has_posts else end
    return Opening(title, start, blurb, end)


def _is_title(sheet: Sheet, at: int, end: int, has_posts: bool) -> bool:
    """Whether the first line is a heading: alone, short, at the margin, no sentence and no post's header."""
    line = sheet.lines[at]
    first = line.strip()
    last = sheet.find_filled(end, -1)
    alone = sheet.gap_after(at) > 0 if last != at else has_posts
    plain = not first.endswith((".", ":", ",", ";", "…")) and not read_header(first) and not CLOCK.search(first)
    return alone and plain and indent_of(line) == 0 and len(first) <= TITLE_LENGTH


def _find_blurb(lines: list[str], first: int, end: int) -> int:
    """Where the note on the author begins; end where there is none."""
    starts = [at for at in range(first, end) if not is_blank(lines[at]) and (at == first or is_blank(lines[at - 1]))]
    for start in starts[1:][-BLURB_PARAGRAPHS:]:
        names = lines[start][:1].isupper() and ABOUT_AUTHOR.match(lines[start])
        if names and any(map(PUBLISHING.search, lines[start:end])):
            return start
    return end
