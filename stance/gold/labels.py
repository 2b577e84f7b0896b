"""Labels as coders bring them back: saved files of the form and filled spreadsheets, read into ``Gold``.

Spreadsheets change what they open: byte order marks, semicolons, capitals, TRUE for 1, digits rounded away in long
numbers. All of that is read. What stays unclear is an error that names file and line, never a guess.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stance.estimate.judged import Drawn, Gold, GoldLabel
from stance.files import open_replacing
from stance.gold.sample import read_sample, write_sample
from stance.html import make_directory
from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError
from stance.table import defuse

OPEN = "?"  # a cell of a question that the coder looked at and left open; an empty one was not answered
_YES, _NO = {"1", "1.0", "1,0", "true", "yes", "y", "x"}, {"0", "0.0", "0,0", "false", "no", "n"}
_SHORT = {"f": "favor", "favour": "favor", "a": "against", "n": "none"}
_TONES = {"neg": "negative", "neu": "neutral", "pos": "positive"}
_NOT_CSV = (".xlsx", ".xls", ".ods", ".numbers")
_ROUNDED = 1e-5  # of a long number: a spreadsheet keeps six digits or more of it

Place = tuple[str, str]  # thread id, post id


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A file of labels as cells: the columns by their names, folded, and the rows with their lines."""

    path: Path
    columns: dict[str, int]
    rows: list[tuple[int, list[str]]]

    def cell(self, row: Sequence[str], column: str) -> str:
        place = self.columns.get(column, -1)
        return row[place].strip() if 0 <= place < len(row) else ""


def read_gold(folder: Path, note: Callable[[str], None] = lambda _: None) -> Gold:
    """The sample of a folder and all labels in it; ``note`` hears what a user should know of how they were read.

    Of each coder ``labels-CODER.csv`` counts, else ``sample-CODER.csv`` where it is filled in. Raises StanceError
    where there is no label, or where a file cannot be understood.
    """
    gold = read_sample(folder)
    found: list[GoldLabel] = []
    for coder in gold.coders:
        saved, sheet = folder / f"labels-{coder}.csv", folder / f"sample-{coder}.csv"
        labels = read_labels(saved, coder, gold) if saved.is_file() else []
        filled = read_labels(sheet, coder, gold) if sheet.is_file() and is_filled(sheet) else []
        if labels and filled:
            note(f"{sheet}: left out, because {saved.name} is there. Remove one of the two.")
        found += labels or filled
    _check_names(folder, gold)
    if not found:
        first = gold.coders[0] if gold.coders else "CODER"
        raise StanceError(
            f"{folder}: no labels in it yet. Open form-{first}.html, label, and save labels-{first}.csv there, "
            f"or fill in sample-{first}.csv."
        )
    return replace(gold, labels=tuple(found))


def write_gold(folder: Path, gold: Gold) -> None:
    """Make a folder that ``read_gold`` reads back as the same ``gold``, whoever drew it and however it was labelled."""
    make_directory(folder)
    for coder in gold.coders:
        own = [label for label in gold.labels if label.coder == coder]
        if own:
            rows = ({"thread": one.thread, "post": one.post} | label_cells(one, gold.sides) for one in own)
            write_sheet(folder / f"labels-{coder}.csv", ["thread", "post", *label_columns(gold.sides)], rows)
    write_sample(folder, gold)


def label_columns(sides: Sequence[str]) -> list[str]:
    """The columns that coders fill: ``stance.SIDE``, attributes of toxicity, sentiment, note."""
    return [*(f"stance.{side}" for side in sides), *TOXICITY, "sentiment", "note"]


def label_cells(label: GoldLabel, sides: Sequence[str]) -> dict[str, str]:
    """The cells of a label by their columns."""
    cells = {f"stance.{side}": said or OPEN for side, said in zip(sides, label.stance, strict=True)}
    for name, value in zip(TOXICITY, label.toxicity, strict=True):
        cells[name] = OPEN if value is None else str(int(value))
    return {**cells, "sentiment": label.sentiment or OPEN}


def write_sheet(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """A CSV for spreadsheets: formulas defused, a byte order mark, without which they take UTF-8 for their own."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([defuse(name) for name in columns])
    writer.writerows([defuse(row.get(name, "")) for name in columns] for row in rows)
    with open_replacing(path) as file:
        file.write(text.getvalue().encode("utf-8-sig", "replace"))


def is_filled(path: Path) -> bool:
    """Whether any label stands in a file of labels."""
    sheet = _read_sheet(path)
    places = [place for name, place in sheet.columns.items() if name.startswith("stance.") or name in _OTHERS]
    return any(len(row) > place and row[place].strip() for _, row in sheet.rows for place in places)


def read_labels(path: Path, coder: str, gold: Gold) -> list[GoldLabel]:
    """What a coder says in one file, in the file's order; rows without an answer are left out."""
    sheet = _read_sheet(path)
    _check_columns(sheet, gold.sides)
    drawn = {(one.thread, one.post): one for one in gold.drawn}
    found: dict[Place, tuple[int, GoldLabel]] = {}
    strangers = []
    for line, row in sheet.rows:
        label = _read_label(sheet, line, row, coder, gold.sides)
        if label is None:
            continue
        place = _find_post(sheet, row, drawn, gold.drawn)
        if place is None:
            strangers.append(f"{sheet.cell(row, 'thread')} {sheet.cell(row, 'post')} (line {line})")
            continue
        thread, post = place
        label = replace(label, thread=thread, post=post)
        if place in found and found[place][1] != label:
            raise StanceError(
                f"{path}:{line}: post {post} of {thread} has other labels in line {found[place][0]}. Keep one row."
            )
        found.setdefault(place, (line, label))
    if strangers:
        more = f" and {len(strangers) - 3} more" if len(strangers) > 3 else ""
        raise StanceError(
            f"{path}: labels for posts that were not drawn: {', '.join(strangers[:3])}{more}. "
            "Put the file into the folder of its own sample, or take the rows out."
        )
    return [label for _, label in found.values()]


_OTHERS = {*TOXICITY, "sentiment"}


def _read_sheet(path: Path) -> _Sheet:
    try:
        text = _decode(path.read_bytes())
    except OSError as error:
        raise StanceError(f"{path}: cannot be read ({error.strerror}). Check the file.") from error
    before, lines = 0, text
    if re.match(r"sep=.\r?\n", text):  # written by some spreadsheets for themselves
        before, lines = 1, text.split("\n", 1)[1]
    try:
        delimiter = max(",;\t", key=lines.partition("\n")[0].count)
        rows = _rows(csv.reader(io.StringIO(lines, newline=""), delimiter=delimiter), before)
        filled = [(line, row) for line, row in rows if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise StanceError(f"{path}: not a CSV file ({error}). Save the labels as CSV in UTF-8.") from error
    head = filled[0][1] if filled else []
    columns = {_fold(name): place for place, name in reversed(list(enumerate(head))) if name.strip()}
    if not {"thread", "post"} <= columns.keys():
        raise StanceError(f"{path}: no columns thread and post. Fill in the sample's own CSV and keep its first line.")
    return _Sheet(path, columns, filled[1:])


def _rows(reader: Iterator[list[str]], before: int) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line on which it begins."""
    line = before + 1
    for row in reader:
        yield line, row
        line = before + 1 + reader.line_num  # type: ignore[attr-defined]


def _decode(raw: bytes) -> str:
    """UTF-8; else what spreadsheets write besides: UTF-16 with its mark, or the code page of Western Windows."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _check_columns(sheet: _Sheet, sides: Sequence[str]) -> None:
    """A side that is not of this sample, or no column to read at all, is an error; other columns are the coder's."""
    known = {f"stance.{_fold(side)}" for side in sides}
    for name in sheet.columns:
        if name.startswith("stance.") and name not in known:
            raise StanceError(
                f"{sheet.path}:1: column {name}: no such side in this sample ({', '.join(sides)}). Mend the first line."
            )
    if not (known | _OTHERS) & sheet.columns.keys():
        raise StanceError(
            f"{sheet.path}:1: no column of labels, such as {label_columns(sides)[0]}. Keep the first line."
        )


def _read_label(sheet: _Sheet, line: int, row: Sequence[str], coder: str, sides: Sequence[str]) -> GoldLabel | None:
    """The answers of a row, thread and post still as written; None where it has none."""
    words = {**{name: name for name in STANCES}, **_SHORT}
    stance = tuple(_read_word(sheet, line, row, f"stance.{_fold(side)}", words) for side in sides)
    tones = {**{name: name for name in SENTIMENTS}, **_TONES}
    label = GoldLabel(
        "", "", coder, stance, _read_toxicity(sheet, line, row), _read_word(sheet, line, row, "sentiment", tones)
    )
    answers = (*label.stance, *label.toxicity, label.sentiment)
    return None if all(answer is None for answer in answers) else label


def _read_word(sheet: _Sheet, line: int, row: Sequence[str], column: str, words: Mapping[str, str]) -> str | None:
    cell = sheet.cell(row, column)
    if not cell or cell == OPEN:
        return None
    if cell.casefold() not in words:
        choices = ", ".join(dict.fromkeys(words.values()))
        raise StanceError(
            f"{sheet.path}:{line}: {column} is {_shorten(cell)}. Write {choices}, or {OPEN} to leave it open."
        )
    return words[cell.casefold()]


def _read_toxicity(sheet: _Sheet, line: int, row: Sequence[str]) -> tuple[bool | None, ...]:
    """As TOXICITY. Where one attribute is answered, an empty cell beside it is a no: nobody types four zeros; but a
    post with a kind of toxicity is toxic."""
    cells = [sheet.cell(row, name) for name in TOXICITY]
    said: list[bool | None] = []
    for name, cell in zip(TOXICITY, cells, strict=True):
        folded = cell.casefold()
        if folded not in _YES | _NO | {"", OPEN}:
            raise StanceError(
                f"{sheet.path}:{line}: {name} is {_shorten(cell)}. Write 1 or 0, or {OPEN} to leave it open."
            )
        said.append(None if folded in ("", OPEN) else folded in _YES)
    if any(value is not None for value in said):
        kinds = any(said[1:])
        said = [
            (kinds and name == TOXICITY[0]) if not cell and name in sheet.columns else value
            for name, cell, value in zip(TOXICITY, cells, said, strict=True)
        ]
    return tuple(said)


def _find_post(sheet: _Sheet, row: Sequence[str], drawn: Mapping[Place, Drawn], order: Sequence[Drawn]) -> Place | None:
    """The post that a row is about: by thread and id, as written or without the apostrophe of a defused cell.

    An id that a spreadsheet took for a number (0012 as 12, 1234567890123456789 as 1.23457E+18) is found by the row's
    ``order`` where the number is near.
    """
    thread, post = sheet.cell(row, "thread"), sheet.cell(row, "post")
    for place in ((t, p) for t in (thread, _undefuse(thread)) for p in (post, _undefuse(post))):
        if place in drawn:
            return place
    stripped = {(one.thread.strip(), one.post.strip()): (one.thread, one.post) for one in drawn.values()}
    if (thread, post) in stripped:
        return stripped[thread, post]
    number = sheet.cell(row, "order").removesuffix(".0")
    if number.isascii() and number.isdigit() and 1 <= int(number) <= len(order):
        one = order[int(number) - 1]
        if _is_near(post, one.post) and (_undefuse(thread) == one.thread or _is_near(thread, one.thread)):
            return one.thread, one.post
    return None


def _is_near(cell: str, name: str) -> bool:
    """Whether a cell may be what a spreadsheet made of a number."""
    try:
        given, meant = float(cell.replace(",", ".")), float(name)
    except ValueError:
        return cell == name
    return abs(given - meant) <= _ROUNDED * abs(meant)


def _undefuse(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and defuse(cell[1:]) == cell else cell


def _check_names(folder: Path, gold: Gold) -> None:
    """A file with a coder's labels under another name would be left out in silence."""
    known = {f"{kind}-{coder}.csv" for kind in ("labels", "sample") for coder in gold.coders}
    for path in sorted(folder.iterdir()):
        name = path.name.casefold()
        if not name.startswith(("labels-", "sample-")) or path.name in known:
            continue
        if name.endswith(_NOT_CSV):
            raise StanceError(
                f"{path}: not a CSV file. Open it in the spreadsheet program and save it as CSV in UTF-8."
            )
        if name.endswith(".csv") and is_filled(path):
            raise StanceError(
                f"{path}: no coder of this sample has this name ({', '.join(gold.coders)}). "
                "Name the file labels-CODER.csv, or move it away."
            )


def _fold(name: str) -> str:
    return _undefuse(name.strip()).casefold()


def _shorten(cell: str) -> str:
    return repr(cell if len(cell) <= 30 else cell[:30] + "…")
