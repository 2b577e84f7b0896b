"""Posts that are signed: a talk page's "NAME (talk) 12:34, 5 May 2010 (UTC)", "(NAME, DATE)", "– NAME", and the answers
of a question page. A signature may share its line with the last words of its post.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stance.read.text.debris import is_score, name_debris
from stance.read.text.headers import CLOCK, DAYS, WHEN, clean_name, is_name, read_header
from stance.read.text.layouts import Block, Division, find_first_start
from stance.read.text.lines import indent_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from stance.read.text.lines import Sheet

REACH = 240  # characters at the end of a line looked at

TALK = re.compile(
    r"\s?\((?:talk|discussion|diskussion|disk\.?|discuter|discusión|discussione|discussão|обсуждение|обс\.?"
    r"|overleg|dyskusja)"
    rf"(?:\s?[|·•/]\s?[^()\n]{{1,40}})?\)\s{{0,3}}(?P<date>(?:{CLOCK},?\s{{1,2}}{DAYS}"
    rf"|{DAYS},?\s{{1,2}}{CLOCK})(?:\s?\(\w{{2,5}}\))?)"
    r"\s{0,2}(?:\[\s?\w{3,12}\s?\]|reply)?\s*$",
    re.IGNORECASE,
)
BARE_TALK = re.compile(
    rf"\s(?P<date>{CLOCK},\s{DAYS}\s\(\w{{2,5}}\))\s{{0,2}}(?:\[\s?\w{{3,12}}\s?\])?\s*$", re.IGNORECASE
)
# The name is what stands after the last sentence or dash: the words before it are the post's.
LAST_NAME = re.compile(
    r"(?:^|[.!?…:;)”\"»]['’]{0,2}\s{1,3}|\s?[–—~-]{1,3}\s?|\s{2,})(?P<name>[^\s–—~.!?-](?:[^.!?…;”\"»–—~]"
    r"|(?<=\b\w)\.){0,40})$"
)
PARENTHESES = re.compile(
    rf"[(\[](?P<name>[^()\[\],|]{{1,50}})(?:,|\s[|–—-])\s{{0,2}}(?P<date>{WHEN.pattern})\s?[)\]]\s*$", re.IGNORECASE
)
SECTION = re.compile(
    r"[^\n]{1,120}\[\s?(?:edit|edit source|bearbeiten|modifier|editar|modifica|править)[^\]\n]{0,40}\]"
    r"|==[^\n]{1,120}==",
    re.IGNORECASE,
)

DASHED = re.compile(r"[–—-]{1,2}\s?(?P<name>[^\s–—-][^\n]{0,58})")
SIGNED = re.compile(
    r"(?P<what>asked|answered|edited|modified|gefragt|beantwortet|bearbeitet)\s(?P<date>[^\n]{3,40})", re.IGNORECASE
)
BADGES = re.compile(
    r"[\d,.]{1,7}k?(?:\s\d{1,4}){0,9}\s[^\n]{0,120}(?:badges?|reputation)[^\n]{0,120}|[\d,.]{1,7}k?", re.IGNORECASE
)
PAGE_FACT = re.compile(r"(?:viewed|active|asked)\b", re.IGNORECASE)
ABOVE_ANSWER = re.compile(
    r"(?:\d+ answers?|sorted by:.*|highest score.*|add a comment.*|show \d+ more comments?.*)\|?\s*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Signature:
    """The end of a post."""

    line: int
    end: int  # one past its last line
    cut: int | None  # where it begins in a line that has words before it
    name: str | None
    date: str | None = None


def find_signatures(sheet: Sheet) -> list[Division]:
    """The divisions by signatures."""
    found = [
        _divide(sheet, "wiki-talk", _read_talk, 1.0),
        _divide(sheet, "signature", _read_parentheses, 0.95),
        _divide(sheet, "dash-name", _read_dashed, 0.6),
        _divide_answers(sheet),
    ]
    return [division for division in found if division is not None]


def _divide(sheet: Sheet, layout: str, read: Callable[[Sheet, int], Signature | None], base: float) -> Division | None:
    signatures = [found for at in sheet.filled if (found := read(sheet, at)) is not None]
    if len(signatures) < 2:
        return None
    blocks: list[Block] = []
    start = None
    for signature in signatures:
        if start is None:
            start = (
                find_first_start(sheet, signature.line, 2)
                if signature.cut is None
                else _start_of_first(sheet, signature.line)
            )
        start = _skip_sections(sheet, start, signature.line)
        first = sheet.find_filled(start)
        column = indent_of(sheet.lines[first]) if first is not None else 0
        body = (start, signature.line + (signature.cut is not None))
        header = (signature.line, signature.end)
        blocks.append(Block(header, body, column, signature.name, signature.date, None, signature.cut, signed=True))
        start = signature.end
    full = sum(block.cut is not None or sheet.count_filled(*block.body) > 0 for block in blocks) / len(blocks)
    confidence = (0.55 + 0.4 * base) * full * (1 - 0.4 / len(blocks))
    reason = f"{len(blocks)} signatures of the form {layout}"
    return Division(
        layout, reason, tuple(blocks), base * full * len(blocks), min(confidence, 0.95), blocks[-1].header[1]
    )


def _start_of_first(sheet: Sheet, end: int) -> int:
    return find_first_start(sheet, end + 1, 2)


def _skip_sections(sheet: Sheet, start: int, end: int) -> int:
    """Past the headings of a talk page that stand above the post that ends here."""
    for at in range(start, end):
        if SECTION.fullmatch(sheet.lines[at].strip()[:REACH]):
            start = at + 1
    return start


def _read_talk(sheet: Sheet, at: int) -> Signature | None:
    line = sheet.lines[at]
    offset = max(len(line) - REACH, 0)
    tail = line[offset:]
    if "(" not in tail:
        return None
    match = TALK.search(tail) or BARE_TALK.search(tail)
    if match is None:
        return None
    before = tail[: match.start()]
    name = LAST_NAME.search(before[-60:])
    if name is not None and len(name["name"].split()) <= 5:
        place = max(len(before) - 60, 0) + name.start("name")
    else:
        place = before.rfind(" ") + 1
    return _sign(line, at, offset + place, before[place:], match["date"])


def _read_parentheses(sheet: Sheet, at: int) -> Signature | None:
    line = sheet.lines[at].rstrip()
    if not line.endswith((")", "]")):
        return None
    offset = max(len(line) - REACH, 0)
    match = PARENTHESES.search(line, offset)
    if match is None or not is_name(match["name"]):
        return None
    return _sign(line, at, match.start(), match["name"], match["date"])


def _sign(line: str, at: int, cut: int, name: str, date: str) -> Signature:
    """A signature that begins at a character of a line; dashes before it are part of it."""
    words = line[:cut].rstrip(" \t–—~-")
    shown, _ = clean_name(name.strip())
    return Signature(at, at + 1, len(words) if words.strip() else None, shown, date)


def _read_dashed(sheet: Sheet, at: int) -> Signature | None:
    """ "– NAME" in a line of its own, and the date below it."""
    text = sheet.lines[at].strip() if len(sheet.lines[at]) < REACH else ""
    match = DASHED.fullmatch(text)
    if match is None or not is_name(match["name"]) or read_header(text) is not None:
        return None
    below = sheet.find_filled(at + 1)
    header = read_header(sheet.lines[below]) if below is not None and below - at <= 2 else None
    if below is not None and header is not None and header.shape == "D":
        return Signature(at, below + 1, None, clean_name(match["name"])[0], header.date)
    return Signature(at, at + 1, None, clean_name(match["name"])[0])


def _divide_answers(sheet: Sheet) -> Division | None:
    """The division of a question page: "answered DATE" and the name below it, comments with "– NAME" and a date."""
    signatures: list[Signature] = []
    for at in sheet.filled:
        if len(sheet.lines[at]) >= REACH or (signatures and at < signatures[-1].end):
            continue
        found = _read_signed(sheet, at) or _read_dashed(sheet, at)
        if found is not None and found.date:
            signatures.append(found)
    posts = sum(SIGNED.match(sheet.lines[found.line].strip()) is not None for found in signatures)
    if not posts or len(signatures) < 2:
        return None
    blocks = []
    end = 0
    for signature in signatures:
        is_post = SIGNED.match(sheet.lines[signature.line].strip()) is not None
        start = _find_answer_start(sheet, end, signature.line, is_post)
        first = sheet.find_filled(start)
        column = indent_of(sheet.lines[first]) if first is not None else 0
        header = (signature.line, signature.end)
        blocks.append(Block(header, (start, signature.line), column, signature.name, signature.date, signed=True))
        end = signature.end
    reason = f"{posts} posts and {len(blocks) - posts} comments signed as on a question page"
    return Division("answers", reason, tuple(blocks), 1.1 * len(blocks), 0.9, blocks[-1].header[1])


def _read_signed(sheet: Sheet, at: int) -> Signature | None:
    """ "answered DATE" and the name below, then the reputation; "edited DATE" and the editor's name may stand above."""
    match = SIGNED.fullmatch(sheet.lines[at].strip())
    if match is None or not WHEN.fullmatch(match["date"].strip()):
        return None
    end, name, date = at + 1, None, match["date"]
    place = sheet.find_filled(end)
    while place is not None and place - end < 2:
        text = sheet.lines[place].strip()[:REACH]
        signed = SIGNED.fullmatch(text)
        if signed:
            name, date = None, signed["date"]
        elif (
            name is None
            and is_name(_halve(text))
            and read_header(text) is None
            and not PAGE_FACT.match(text)
            and not BADGES.fullmatch(text)
        ):
            name = _halve(text)
        elif name is None or "badge" not in text:
            break
        end = place + 1
        place = sheet.find_filled(end)
    return Signature(at, end, None, name, date) if name else None


def _halve(name: str) -> str:
    """A name that stands twice, as picture and as link, once."""
    middle = len(name) // 2
    return name[:middle] if name[middle : middle + 1] == " " and name[:middle] == name[middle + 1 :] else name


def _find_answer_start(sheet: Sheet, start: int, end: int, is_post: bool) -> int:
    """Past the votes and notices above a question, answer or comment."""
    if is_post:
        votes = [at for at in range(start, end) if sheet.lines[at].strip() and is_score(sheet.lines[at])]
        return votes[-1] + 1 if votes else start
    at = sheet.find_filled(start)
    while at is not None and at < end:
        line = sheet.lines[at]
        text = line.strip()[:REACH]
        above = is_score(line) or BADGES.fullmatch(text) or ABOVE_ANSWER.fullmatch(text)
        if not above and name_debris(line, at_edge=True) is None:
            return at
        at = sheet.find_filled(at + 1)
    return start
