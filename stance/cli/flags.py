"""Flags that several commands have, and what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stance.records import StanceError

if TYPE_CHECKING:
    from stance.read import Options

TopicName = Annotated[str, typer.Option("--topic", help="A shipped topic or a TOML file with [[side]] entries.")]
TaggerName = Annotated[str, typer.Option("--tagger", help="A shipped one, a folder, hub:NAME or openai:URL#MODEL.")]

Format = Annotated[str | None, typer.Option("--format", help="text, page, rows, csv, reddit, ...; else by the file.")]
Layout = Annotated[str | None, typer.Option("--platform", help="Of a page its platform, of a text its layout.")]
ColumnNames = Annotated[
    list[str] | None, typer.Option("--column", help="Of a table: text=body, author=user, id=, time=, thread=.")
]
MaxSize = Annotated[int | None, typer.Option("--max-size", min=1, help="MB that are unpacked and read at most.")]

GoldFolder = Annotated[
    Path | None, typer.Option("--gold", help="A folder of `stance gold draw` with labels: shares are corrected.")
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--pseudonyms", help="A key file, made where there is none: authors get pseudonyms, in text too."),
]

TOPIC = "karabakh-2020"


def read_options(form: str | None, layout: str | None, column: Sequence[str] | None, max_size: int | None) -> Options:
    """The flags about reading as one record."""
    from dataclasses import fields

    from stance.read import Columns, Options

    named = dict(pair.split("=", 1) for pair in column or () if "=" in pair)
    known = [field.name for field in fields(Columns)]
    if len(named) < len(column or ()) or not named.keys() <= {*known}:
        given = " ".join(column or ())
        raise StanceError(f"--column {given}: write PART=COLUMN, once each, PART being one of {', '.join(known)}")
    return Options(form, layout, Columns(**named), None if max_size is None else max_size * 2**20)


def list_files(paths: Sequence[Path]) -> list[Path]:
    """The files themselves, of folders of reports their tables, and of other folders the readable kinds, by name."""
    from stance.read.corpus import is_corpus

    found: list[Path] = []
    for path in paths:
        found += list_folder(path) if path.is_dir() and not is_corpus(path) else [path]
    return found


def list_folder(path: Path) -> list[Path]:
    """What a folder gives: the table of a report, those of a run, the saved threads, or the tables of reports in it."""
    from stance.read import ENDINGS

    made = list_made(path)
    if made:
        return made
    inside = sorted(file for file in path.iterdir() if file.suffix.lower() in ENDINGS and file.is_file())
    tables = sorted(path.glob("*/tags.parquet"))
    if tables and [file.name for file in inside] in ([], ["index.html"]):  # the page over several reports
        return tables
    if not inside:
        raise StanceError(f"{path}: a folder without threads: put files ending in {', '.join(ENDINGS)} there")
    return inside


def list_made(path: Path) -> list[Path]:
    """The tables of a folder of `stance report` (of one thread) or of `stance run`; none of any other folder."""
    report = path / "tags.parquet"
    return [report] if report.is_file() else sorted(path.glob("tags/*.parquet"))


def find_tables(paths: Sequence[Path]) -> list[Path]:
    """The tables themselves, and those in the folders or in reports one folder deeper, in order of name."""
    found: list[Path] = []
    for path in paths:
        inside = [*list_made(path), *sorted(path.glob("*/tags.parquet"))] if path.is_dir() else [path]
        inside = [file for file in inside if file.is_file() or not path.is_dir()]
        if not inside:
            raise StanceError(f"{path}: no table in it. Name a .parquet file, a folder of reports or of a run.")
        found += inside
    return list(dict.fromkeys(found))
