"""What a plain text marks as quoted: lines with ">", [quote] tags, and words that say whose words follow."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

# ">From" is a mail program's escape of "From", ">>12" an answer to number 12, ">:(" a face.
QUOTED_LINE = re.compile(r"^[ \t]{0,3}(?P<depth>>(?:[ \t]?>)*+)(?!From |[0-9]|[:;_.=-][^\s\w]).*$", re.MULTILINE)
# [quote], [quote=NAME], [quote=NAME;12345], [quote="NAME, post:3, topic:9"], [quote author=NAME link=... date=...]
TAG = re.compile(r"\[(?P<close>/?)quote\b(?P<said>[^\]\n]{0,200})\]", re.IGNORECASE)
TAG_NAME = re.compile(r"(?:author)?=\s*[\"'“]?(?P<name>[^\"”;,\]=]{1,60}?)[\"'”]?\s*(?:[;,\]]|link=|date=|$)")
TAG_NUMBER = re.compile(r"\bpost:\s*(?P<number>[0-9]{1,9})")

LEAD_LENGTH = 200  # characters before a quote in which its lead is looked for
MAXIMUM_LEADS = 3  # "Quote:" and "Originally posted by NAME" and a tag
NAME = r"(?P<name>[^\s:,][^\n\r:]{0,60}?)"
SAID = r"(?:wrote|said|writes|says|posted|schrieb|schreibt|sagte|escribió|dijo|a écrit|a dit|написала?)"
LEADS = tuple(
    re.compile(form + r"\s*[\"“«]?\Z", re.IGNORECASE | re.MULTILINE)
    for form in (
        r"\boriginally (?:posted|written) by:?\s*" + NAME + r"(?:\s+view post)?\s*:?",
        r"\b(?:quote from:?|zitat von)\s*" + NAME + r"(?:\s+(?:on|at|am)\s[^\n\r]{4,60}?)?\s*:?",
        r"^[ \t>*]{0,5}(?:on\s[^\n\r]{4,80}?,\s+)?"
        + NAME
        + r"\s+"
        + SAID
        + r"(?:\s+(?:on|at|am)\s[^\n\r]{4,40}?)?\s*[:↑]\s*↑?",
        r"^[ \t]{0,5}(?:quote|zitat|cita|citation)\s*:",
        r"(?P<tag>\[quote\b[^\]\n]{0,200}\])",
    )
)
# "Response to NAME, DATE", "NAME at DATE": a line of its own that says which post is answered, or whose words follow.
DATED = re.compile(
    r"^[ \t]*(?:(?:in )?(?:response|reply|replying) to:?[ \t]+(?P<name>[^\n\r]{1,60}?)(?:,|[ \t]+(?:at|on|-|–|—))"
    r"|(?P<named>[^\n\r]{1,60}?)[ \t]+(?:at|on)[ \t])[ \t]*(?P<date>[^0-9\n\r]{0,20}[0-9][^\n\r]{0,60})$",
    re.IGNORECASE | re.MULTILINE,
)
DIGIT = re.compile(r"[0-9]")
# A stray tag behind a quote, or a line of dashes.
CLOSING = re.compile(
    r"\s{0,8}\[?/quote\]|\s{0,8}?[\r\n][ \t]{0,8}[-–—_=*~]{1,200}[ \t]{0,8}(?=[\r\n]|\Z)", re.IGNORECASE
)
# Who is meant by them only the text around says; and "I said:" introduces a repeat of one's own.
PRONOUNS = frozenset(
    ("i", "you", "he", "she", "it", "we", "they", "who", "someone", "one", "this", "that", "which", "also")
)


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of a body that is marked as quoted, with the mark."""

    start: int
    end: int  # one past the last character
    number: str | None = None  # of the post that is said to be quoted
    name: str | None = None  # of its author
    date: str | None = None  # and when it was written, as printed


def find_dated(body: str) -> Iterator[Mark]:
    """The lines that name a post by its author and its time; whether there is such an author is not asked."""
    for line in DATED.finditer(body) if DIGIT.search(body) else ():
        name, date = line["name"] or line["named"], line["date"].strip(" \t:")
        yield Mark(line.start(), line.end(), name=name.strip(), date=date)


def find_marks(body: str) -> list[Mark]:
    """The marked stretches in order and apart; where a quote lies in a quote, both are divided there."""
    tagged = _find_tagged(body) if "[" in body else []
    if ">" not in body:
        return tagged
    inside = iter([*tagged, Mark(len(body), len(body) + 1)])
    following = next(inside)
    found: list[tuple[Mark, int]] = []
    for line in QUOTED_LINE.finditer(body):
        while following.end <= line.start():
            following = next(inside)
        if following.start < line.end():
            continue
        depth = line["depth"].count(">")
        last = found[-1] if found else None
        if last and last[1] == depth and body[last[0].end : line.start()] == "\n":
            found[-1] = (Mark(last[0].start, line.end()), depth)
        else:
            found.append((Mark(line.start(), line.end()), depth))
    return sorted([*tagged, *(mark for mark, _ in found)], key=lambda mark: mark.start)


def read_name(body: str, start: int, end: int) -> str | None:
    """The name that the marked stretch from start to end gives for whose words it has."""
    tag = TAG.match(body, start)
    if tag:
        named = TAG_NAME.search(tag["said"])
        return named["name"].strip() if named else None
    line = body[start : min(end, start + LEAD_LENGTH)].split("\n", 1)[0]
    for lead in LEADS[:3]:
        match = lead.search(line)
        if match:
            return match["name"].strip()
    return None


def widen_quote(body: str, start: int, end: int, floor: int, authors: Collection[str]) -> tuple[int, int]:
    """The stretch with the words before it that say whose it is, and what closes it.

    floor: where the text before is somebody else's. authors: names in the thread, case folded.
    """
    for _ in range(MAXIMUM_LEADS):
        lead = _find_lead(body, start, floor, authors)
        if lead is None:
            break
        start = lead
    closing = CLOSING.match(body, end)
    return start, closing.end() if closing else end


def _find_lead(body: str, start: int, floor: int, authors: Collection[str]) -> int | None:
    """Where the lead that ends right before start begins."""
    low = max(floor, start - LEAD_LENGTH)
    for lead in LEADS:
        match = lead.search(body, low, start)
        if match and ("name" not in lead.groupindex or _is_name(match["name"], authors)):
            return match.start()
    return None


def _is_name(text: str, authors: Collection[str]) -> bool:
    """Whether somebody in the thread is called that, or it is a few words with capitals."""
    words = text.split()
    if " ".join(words).casefold() in authors:
        return True
    return len(words) <= 3 and not any(word.casefold() in PRONOUNS or word[0].islower() for word in words)


def _find_tagged(body: str) -> list[Mark]:
    """The stretches between [quote] and [/quote]; a tag that has no partner is passed over."""
    opened: list[re.Match[str]] = []
    edges: list[tuple[int, int, re.Match[str]]] = []  # where, +1 or -1, the opening tag
    for tag in TAG.finditer(body):
        if not tag["close"]:
            opened.append(tag)
        elif opened:
            partner = opened.pop()
            edges += [(partner.start(), 1, partner), (tag.end(), -1, partner)]
    edges.sort(key=lambda edge: edge[0])
    marks: list[Mark] = []
    current: list[re.Match[str]] = []
    start: int | None = None  # of tags that no word follows yet
    for (place, step, tag), (following, _, _) in itertools.pairwise(edges):
        if step > 0:
            current.append(tag)
        else:
            current.pop()
        if not current:
            start = None
        elif TAG.sub("", body[place:following]).strip():
            number = TAG_NUMBER.search(current[-1]["said"])
            marks.append(Mark(place if start is None else start, following, number["number"] if number else None))
            start = None
        elif start is None:
            start = place
    return marks
