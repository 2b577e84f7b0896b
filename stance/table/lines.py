"""Tables as text: the rows of JSON lines, which scripts rely on, and flat cells for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from math import isnan
from typing import TYPE_CHECKING, Any, BinaryIO

from stance.records import SENTIMENTS, STANCES, TOXICITY, Post, Side, Tag
from stance.table.columns import DECIMALS, place_evidence, table_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# A spreadsheet runs a cell that begins so, whatever wrote the file.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def post_row(
    post_id: str | float | None, post: Post, tag: Tag, sides: Sequence[Side], run: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The row of ``stance tag`` for one post: id, what its own words got, and ``Manifest.run`` where given."""
    row = {"id": post_id, **_contract_cells(_tag_cells(post, tag, sides))}
    return row if run is None else {**row, "run": dict(run)}


def _tag_cells(post: Post, tag: Tag, sides: Sequence[Side]) -> dict[str, Any]:
    """The columns from words to evidence, as ``columns.tag_columns`` has them."""
    stance = [
        {"side": side.name, "label": judged.label, **_rounded(STANCES, judged.probabilities)}
        for side, judged in zip(sides, tag.stance, strict=True)
    ]
    sentiment = {"label": tag.sentiment.label, **_rounded(SENTIMENTS, tag.sentiment.probabilities)}
    places = place_evidence(post, tag)
    return {
        "words": tag.words,
        "stance": stance,
        "toxicity": _rounded(TOXICITY, tag.toxicity),
        "sentiment": sentiment,
        "mention": None if tag.mention is None else round(tag.mention, DECIMALS),
        "evidence": None if places is None else [{"start": start, "end": end} for start, end in places],
    }


def _rounded(names: Sequence[str], probabilities: Sequence[float]) -> dict[str, float | None]:
    """The probabilities by name; NaN, which a tagger gives for what it does not judge, becomes null."""
    return {
        name: None if isnan(value) else round(float(value), DECIMALS)
        for name, value in zip(names, probabilities, strict=True)
    }


def _contract_cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """What scripts get of a tag; all null where the row has none."""
    stance = row["stance"]
    if stance is not None:
        stance = {judged["side"]: {name: judged[name] for name in ("label", *STANCES)} for judged in stance}
    return {"stance": stance, **{name: row[name] for name in ("toxicity", "sentiment", "mention", "evidence")}}


def contract_row(row: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """A table row as a JSON line: the row of ``post_row`` with the post around it."""
    quotes = [{**quote, "source": _json_source(quote["source"])} for quote in row["quotes"]]
    return {
        "id": row["id"],
        **_contract_cells(row),
        **{name: row[name] for name in ("thread", "kind", "position", "number", "author")},
        "time": _time_text(row["time"]),
        **{name: row[name] for name in ("reply_to", "reply_basis", "language")},
        "quotes": quotes,
        **{name: row[name] for name in ("body", "words")},
        "run": dict(run),
    }


def _json_source(source: str | None) -> str | int | None:
    return int(source) if source is not None and source != "article" else source


def _time_text(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def write_csv(rows: Iterable[Mapping[str, Any]], sides: Sequence[Side], run: Mapping[str, Any], file: BinaryIO) -> None:
    """Rows of a table: one flat column a value; UTF-8; null is an empty cell."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\r\n")
    run = {f"run.{name}": value for name, value in run.items()}
    blank = dict.fromkeys(table_schema().names)
    writer.writerow([defuse(name) for name in {**_csv_cells(blank, sides), **run}])
    for row in rows:
        cells = {**_csv_cells(row, sides), **run}
        writer.writerow([defuse(value) for value in cells.values()])
    text.detach()  # the caller closes the file


def _csv_cells(row: Mapping[str, Any], sides: Sequence[Side]) -> dict[str, Any]:
    plain = ("thread", "kind", "position", "id", "number", "author")
    cells = {name: row[name] for name in plain}
    cells["time"] = _time_text(row["time"])
    cells["body"] = row["body"]
    cells["quotes"] = json.dumps(row["quotes"], ensure_ascii=False) if row["quotes"] else None
    cells |= {name: row[name] for name in ("reply_to", "reply_basis", "language", "words")}
    for index, side in enumerate(sides):
        judged = row["stance"][index] if row["stance"] is not None else {}
        cells[f"stance.{side.name}"] = judged.get("label")
        cells |= {f"stance.{side.name}.{name}": judged.get(name) for name in STANCES}
    cells |= {f"toxicity.{name}": (row["toxicity"] or {}).get(name) for name in TOXICITY}
    sentiment = row["sentiment"] or {}
    cells["sentiment"] = sentiment.get("label")
    cells |= {f"sentiment.{name}": sentiment.get(name) for name in SENTIMENTS}
    cells["mention"] = row["mention"]
    cells["evidence"] = json.dumps(row["evidence"]) if row["evidence"] else None
    return cells


def defuse(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value
