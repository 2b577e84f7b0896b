"""Author pseudonyms: a keyed hash of each name, the same person the same name in every thread of one key.

A name is replaced where it stands as author and where it stands in other people's text. What stays: nicknames, a first
name alone, inflected forms in languages that decline names. Whoever holds the key can find out who a known name became,
and nobody else can: keep it apart from the reports, or destroy it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from stance.records import StanceError
from stance.table import make_table, read_manifest, table_rows

if TYPE_CHECKING:
    import pyarrow as pa

    from stance.table import Manifest

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: none is taken for another
# 8 letters are 40 bits: of 10,000 people two share a name with a chance of 1 in 20,000. Then both get longer ones.
_SHORT, _LONG = 8, 16
_LEAST_KEY = 16  # bytes
_LEAST_NAME = 3  # letters and digits
# Names that texts use as words: everywhere replaced they would garble the text and tell less, not more.
_EVERYDAY = """
    about admin administrator after again all always and anon anonymous another any anyone army author because been
    before best better big blog border both boy boys brother but can citizen city comment could country dad day dead
    democracy did does end enemy europe ever every everyone evil fact facts false father few first for free freedom
    friend from girl god good government great guest guy hate have her here hero him his history home hope how human
    its just justice king know land last law left let lie lies life like line little live love man many media member
    men moderator mom money more most mother much name nation never new news next nobody none not nothing now
    observer off old one only open other our out over own peace people person poster power president question read
    reader real reality reason right russian same say see she should sister some somebody someone soldier son state
    still stop stranger student such sure take talk teacher team than that the their them then there they thing
    think this time today too troll true truth two under unknown user very view visitor voice want war was way well
    were what when where which who why will win winner with woman women word words work world would writer wrong
    year yes yet you young your
    """
# Scripts that put no space between words: a name there has no edge to look for.
_SPACELESS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
PSEUDONYMS = "authors have pseudonyms"  # begins the note in the manifest
_GAP = r"(?:[\s_+.-]|%20)+"  # between the words of a name, in text and in addresses


@dataclass(frozen=True, slots=True)
class Form:
    """One way in which a text may write a name."""

    probe: str  # what a folded text holds where it writes the name so: cheap to look for
    pattern: str
    pseudonym: str


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """What the names of some threads become."""

    names: Mapping[str, str]  # author as printed -> pseudonym
    kept: tuple[str, ...]  # names that stay in text unless marked as names: short or everyday words
    forms: tuple[Form, ...]  # the longest first

    def rename(self, text: str) -> str:
        """The text with every name replaced."""
        return self.rename_places(text)[0]

    def rename_id(self, text: str) -> str:
        """An id with every name replaced, without spaces."""
        renamed = self.rename(text)
        return text if renamed == text else renamed.replace(" ", "-")

    def rename_places(self, text: str) -> tuple[str, list[tuple[int, int, int]]]:
        """The renamed text, and for each name the first character, one past the last, and how long it is now."""
        folded = text.casefold()
        forms = tuple(form for form in self.forms if form.probe in folded)
        if not forms:
            return text, []
        moves, parts, last = [], [], 0
        for match in _compile(forms).finditer(text):
            # of two people whose names differ in capitals only, the one who is named exactly
            name = self.names.get(match[0]) or forms[(match.lastindex or 1) - 1].pseudonym
            moves.append((*match.span(), len(name)))
            parts += [text[last : match.start()], name]
            last = match.end()
        return "".join([*parts, text[last:]]), moves


def read_key(path: Path) -> bytes:
    """The key in a file; where there is no file, a new key, which the owner alone may read."""
    try:
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_hex(32).encode("ascii") + b"\n")
        key = path.read_bytes().strip()
    except OSError as error:
        raise StanceError(f"{path}: no key can be read or made there ({error.strerror}). Name another file.") from error
    if len(key) < _LEAST_KEY:
        raise StanceError(f"{path}: a key of {len(key)} bytes is no secret. Name a new file; a key is made there.")
    return key


def make_pseudonyms(tables: Iterable[pa.Table], key: bytes) -> Pseudonyms:
    """The pseudonyms of all authors of some tables; a name of one table is replaced in the texts of all."""
    authors: dict[str, None] = {}
    words: set[str] = set()
    for table in tables:
        authors |= dict.fromkeys(name for name in table.column("author").to_pylist() if name is not None)
        words |= _topic_words(read_manifest(table))
    names = _draw_names(list(authors), key)
    kept = tuple(name for name in names if _is_everyday(name, words))
    longest = sorted(names, key=lambda name: (-len(name), name))
    forms = [form for name in longest for form in _list_forms(name, names[name], name in kept)]
    return Pseudonyms(names, kept, tuple(forms))


def rename_table(table: pa.Table, pseudonyms: Pseudonyms) -> pa.Table:
    """The table with pseudonyms for authors, wherever their names stand; quotes and evidence mark the same words.

    Ids stay unique: where two become the same, the later gets a number.
    """
    taken: set[tuple[str, str]] = set()
    rows = [_rename_row(row, pseudonyms, taken) for row in table_rows(table)]
    manifest, rename = read_manifest(table), pseudonyms.rename
    note = f"{PSEUDONYMS}, in the text too; nicknames and parts of names may still stand there"
    if pseudonyms.kept:
        note += f"; {len(pseudonyms.kept)} names that are short or everyday words stay in the text"
    return make_table(
        rows,
        replace(
            manifest,
            source=None if manifest.source is None else rename(manifest.source),
            thread_id=pseudonyms.rename_id(manifest.thread_id),
            title=None if manifest.title is None else rename(manifest.title),
            blurb=None if manifest.blurb is None else rename(manifest.blurb),
            gaps=tuple(rename(gap) for gap in manifest.gaps),
            warnings=(*(rename(warning) for warning in manifest.warnings), note),
        ),
    )


def _rename_row(row: Mapping[str, Any], pseudonyms: Pseudonyms, taken: set[tuple[str, str]]) -> dict[str, Any]:
    body, moves = pseudonyms.rename_places(row["body"])
    thread, plain = pseudonyms.rename_id(row["thread"]), pseudonyms.rename_id(row["id"])
    name, count = plain, 1
    while (thread, name) in taken:
        count += 1
        name = f"{plain}-{count}"
    taken.add((thread, name))
    return {
        **row,
        "thread": thread,
        "id": name,
        "number": None if row["number"] is None else pseudonyms.rename(row["number"]),
        "author": None if row["author"] is None else pseudonyms.names[row["author"]],
        "body": body,
        "quotes": _move_spans(row["quotes"], moves),
        "evidence": None if row["evidence"] is None else _move_spans(row["evidence"], moves),
    }


def _move_spans(spans: Sequence[Mapping[str, Any]], moves: Sequence[tuple[int, int, int]]) -> list[dict[str, Any]]:
    """Spans in the renamed text; one that begins or ends inside a name takes in what the one before leaves of it."""
    moved, last = [], 0
    for span in spans:
        start = max(_move(span["start"], moves, end=False), last)
        end = _move(span["end"], moves, end=True)
        if start < end:
            moved.append({**span, "start": start, "end": end})
            last = end
    return moved


def _move(place: int, moves: Sequence[tuple[int, int, int]], end: bool) -> int:
    shift = 0
    for first, past, length in moves:
        if place <= first:
            break
        if place < past:
            return first + shift + (length if end else 0)
        shift += length - (past - first)
    return place + shift


def _draw_names(authors: Sequence[str], key: bytes) -> dict[str, str]:
    """Names by authors; two who would share a short one both get a long one."""
    codes = {author: _hash_name(author, key) for author in authors}
    owners: dict[str, set[str]] = {}
    for code in codes.values():
        owners.setdefault(code[:_SHORT], set()).add(code)
    return {
        author: _show_code(code[:_SHORT] if len(owners[code[:_SHORT]]) == 1 else code[:_LONG])
        for author, code in codes.items()
    }


def _hash_name(author: str, key: bytes) -> str:
    """The name's code: _LONG letters. Names that differ in how accents are encoded or in outer space are one."""
    plain = unicodedata.normalize("NFC", " ".join(author.split()))
    number = int.from_bytes(hmac.new(key, plain.encode("utf-8", "replace"), hashlib.sha256).digest(), "big")
    return "".join(_LETTERS[number >> 5 * place & 31] for place in range(_LONG))


def _show_code(code: str) -> str:
    """In fours: "Person 3F7K-9QXM"."""
    return f"Person {'-'.join(code[place : place + 4] for place in range(0, len(code), 4))}"


def _topic_words(manifest: Manifest) -> set[str]:
    """Words that a topic is about: an author named "Russia" must not turn every Russia into a person."""
    return {_fold(word) for side in manifest.sides for word in (side.name, side.target, *side.aliases)}


def _is_everyday(name: str, words: set[str]) -> bool:
    """Whether a name is too short or too common to be replaced in text unless it is marked as a name."""
    solid = [letter for letter in name if letter.isalnum()]
    least = 2 if _SPACELESS.search(name) else _LEAST_NAME
    return (
        len(solid) < least
        or all(letter.isdigit() for letter in solid)
        or set(re.findall(r"\w+", _fold(name))) <= set(_EVERYDAY.split())
        or _fold(name) in words
    )


def _list_forms(name: str, pseudonym: str, kept: bool) -> Iterator[Form]:
    """How a text may write a name: accents in one sign or two, as an address; ``kept``: where a mark stands by it."""
    plain = " ".join(name.split())
    ways = [name, plain, unicodedata.normalize("NFC", plain), unicodedata.normalize("NFD", plain), quote(plain)]
    for way in dict.fromkeys(ways):
        words = way.split() or [way]
        written = _GAP.join(map(re.escape, words))
        before, after = _edge(way[:1], r"(?<!\w)"), _edge(way[-1:], r"(?!\w)")
        pattern = f"{before}{written}{after}"
        if kept:  # "@Truth", "u/Truth", "Truth wrote:"
            pattern = rf"(?:(?<=@)|(?<=\bu/)){written}{after}|{pattern}(?=\s+(?:wrote|writes|said|says)\b)"
        yield Form(max(words, key=len).casefold(), pattern, pseudonym)


def _fold(text: str) -> str:
    """A name or word without what writers vary."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


@lru_cache(maxsize=1024)
def _compile(forms: tuple[Form, ...]) -> re.Pattern[str]:
    """The forms as one pattern, a group each."""
    return re.compile("|".join(f"({form.pattern})" for form in forms), re.IGNORECASE)


def _edge(letter: str, check: str) -> str:
    """The check of a word's edge, for a letter that has one."""
    return check if (letter.isalnum() or letter == "_") and not _SPACELESS.match(letter) else ""
