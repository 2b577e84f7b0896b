"""Markup that an HTML parser would take hours over, changed so that it reads in linear time.

The rules of HTML look up through all open elements at many tags ("is there a p to close?"), and open bold and font
elements again in every paragraph that follows: a page nested 100,000 deep takes the square of its depth. An <object>
ends such a look, so one is put in every few levels. Pages of ordinary size pass unchanged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

SURROGATE = re.compile("[\ud800-\udfff]")

MOST_FREE = 15_000  # marks; however these are nested, the parser is through in about a second
STEP = 64  # levels between two fences
FENCE, FENCE_END = "<object>", "</object>"
# Opened again in what follows when they are not closed: kept below MOST_FORMATS at a time.
FORMATS = frozenset(("b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"))
MOST_FORMATS = 32
VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)
RAW = ("script", "style", "textarea", "title", "iframe", "noembed", "noframes", "xmp")
LONG_TAG_LENGTH = 20_000  # characters
ATTRIBUTE = r"""\s+[^\s=>"']{1,100}(?:=(?:"[^"]*"|'[^']*'|[^\s"'>]{0,1000}))?"""
LONG_TAG = re.compile(rf"<([a-z][\w:-]{{0,40}})((?:{ATTRIBUTE}){{0,50}}+)[^>]{{{LONG_TAG_LENGTH // 2},}}", re.I)
TAG = re.compile(
    r"<!--.*?(?:-->|\Z)"
    rf"|<(?P<raw>{'|'.join(RAW)})\b[^>]*>.*?(?:</(?P=raw)\b[^>]*>|\Z)"
    r"|<(?P<slash>/?)(?P<name>[a-z][a-z0-9:-]*)(?P<rest>[^<>]*>?)",
    re.IGNORECASE | re.DOTALL,
)


def tame_markup(text: str) -> str:
    """The markup as it is, or where it has very many marks, with its depth and open formats bounded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = SURROGATE.sub("\ufffd", text)
    # Each attribute is compared with all before it in its tag.
    pieces = text.split(">")
    if any(len(piece) > LONG_TAG_LENGTH for piece in pieces):
        text = ">".join(LONG_TAG.sub(r"<\1\2", piece) if len(piece) > LONG_TAG_LENGTH else piece for piece in pieces)
    return _put_fences(text) if is_large(text) else text


def is_large(text: str) -> bool:
    """Whether markup has so many marks that their nesting can take long."""
    return text.count("<") > MOST_FREE


def _put_fences(text: str) -> str:
    opened = _Opened()
    parts: list[str] = []
    end = 0
    for match in TAG.finditer(text):
        name = (match["name"] or "").lower()
        if not name or name in VOID or (name == "p" and not match["slash"]):
            continue  # a <p> closes the one before it: depth stays
        before = text[end : match.start()]
        if match["slash"]:
            if opened.count.get(name):
                parts += [before, *opened.close(name), match[0]]
                end = match.end()
            continue
        parts.append(before)
        if name not in FORMATS or opened.formats < MOST_FORMATS:
            parts += [match[0], *opened.open(name)]
        end = match.end()
    return "".join([*parts, text[end:]])


@dataclass(slots=True)
class _Opened:
    """The elements that are open, as far as their marks tell."""

    names: list[str] = field(default_factory=list)  # FENCE_END where a fence stands
    count: dict[str, int] = field(default_factory=dict)  # of each name in names
    formats: int = 0

    def open(self, name: str) -> list[str]:
        """Open an element; what is to be put behind its mark."""
        self.names.append(name)
        self.count[name] = self.count.get(name, 0) + 1
        self.formats += name in FORMATS
        if len(self.names) % STEP:
            return []
        self.names.append(FENCE_END)
        return [FENCE]

    def close(self, name: str) -> list[str]:
        """Close an element and all in it; what is to be put before its end mark."""
        marks: list[str] = []
        while (last := self.names.pop()) != name:
            if last == FENCE_END:
                marks.append(FENCE_END)
                continue
            self.count[last] -= 1
            if last in FORMATS:
                self.formats -= 1
                marks.append(f"</{last}>")
        self.count[name] -= 1
        self.formats -= name in FORMATS
        return marks
