"""The numbers behind the figures as tables: on the page each number leads to its posts; beside it they are files.

A cell's ``show`` says which posts it counts, as the page's filter reads it: "stance=0f" is favor toward the first
side (f, a, n, x for favor, against, none, abstained), "toxic=any", "toxic=2" (a place in TOXICITY), "sentiment=...",
"author=3" (place among the named authors; "-" the unknown), "answers=3", "posts=1-125", "judged=1", joined by "&".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stance.estimate import (
    ABSTAINED,
    HEADS,
    NOT_JUDGED,
    SENTIMENT_OUTCOMES,
    Row,
    Share,
    cross_stance,
    judged_heads,
    judged_posts,
    present_attributes,
    rank_association,
    row_heads,
    split_thread,
    stance_outcome,
)
from stance.html import plain_name, probability
from stance.records import TOXICITY
from stance.report.figures import MOST_GLYPHS, count_stretches
from stance.report.numbers import ANY, Numbers, band_words, share_words
from stance.table import defuse

if TYPE_CHECKING:
    from stance.table import Manifest

_CODES = {"favor": "f", "against": "a", "none": "n", ABSTAINED: "x"}
_SHARE_HEAD = ("share", "low", "high", "band low", "band high", "rests on", "hand labels")


@dataclass(frozen=True, slots=True)
class Cell:
    """A number, and which posts it counts."""

    text: str
    show: str


Line = tuple[str | Cell, ...]


@dataclass(frozen=True, slots=True)
class DataTable:
    """A table of the page; plain text where a cell leads nowhere."""

    head: tuple[str, ...]
    lines: tuple[Line, ...]


def show_stance(side: int, outcome: str) -> str:
    """The posts of one outcome toward a side, as the page's filter reads it."""
    return f"stance={side}{_CODES[outcome]}"


def show_attribute(name: str) -> str:
    """The posts with an attribute of toxicity, or with ANY, as the page's filter reads it."""
    return f"toxic={name if name == ANY else TOXICITY.index(name)}"


def write_data(data: DataTable) -> bytes:
    """The table as CSV in UTF-8; what a spreadsheet would run as a formula is defused."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    for line in (data.head, *data.lines):
        writer.writerow([defuse(cell.text if isinstance(cell, Cell) else cell) for cell in line])
    return text.getvalue().encode("utf-8", "replace")


def list_figure_data(rows: Sequence[Row], manifest: Manifest, numbers: Numbers) -> dict[str, DataTable]:
    """The numbers behind each figure, by the figure's name."""
    return {
        "stance": DataTable(
            ("side", "stance", "posts", "of", *_SHARE_HEAD), tuple(_list_stance(rows, numbers, manifest))
        ),
        "thread": _list_course(rows, manifest),
        "crossing": DataTable(
            ("side", "stance", *SENTIMENT_OUTCOMES, "toxic", "of", *_SHARE_HEAD),
            tuple(_list_crossings(rows, manifest, numbers)),
        ),
    }


def list_shares(numbers: Numbers) -> DataTable | None:
    """Toxicity and sentiment of the whole thread, one line a share, as people read them."""
    toxic = [
        (f"toxic: {'any attribute' if name == ANY else plain_name(name)}", show_attribute(name), share)
        for name, share in numbers.toxicity.items()
    ]
    tones = [(name, f"sentiment={name}", share) for name, share in numbers.sentiment.items()]
    lines: list[Line] = [
        (
            name,
            Cell(str(share.count), show),
            Cell(str(share.n), "judged=1"),
            share_words(share),
            band_words(share),
            share.basis,
        )
        for name, show, share in (*toxic, *tones)
    ]
    head = ("posts that are", "labelled so", "of", "share, 95% interval", "band", "rests on")
    return _leave_out_bands(head, lines) if lines else None


def list_ranked(numbers: Numbers, authors: Sequence[str]) -> DataTable:
    """Named authors by share of toxic posts, as people read them."""
    lines: list[Line] = []
    for line in numbers.ranked:
        show = f"author={authors.index(line.author)}"
        counts = Cell(str(line.share.count), f"{show}&toxic=any"), Cell(str(line.share.n), f"{show}&judged=1")
        name = Cell(line.author, show)
        lines.append((name, *counts, share_words(line.share), band_words(line.share), line.share.basis))
    return _leave_out_bands(("author", "toxic", "of", "share, 95% interval", "band", "rests on"), lines)


def list_associations(rows: Sequence[Row], manifest: Manifest) -> DataTable | None:
    """Rank correlations of the probability against each side with those of toxicity and negative sentiment."""
    judged = [row for row in judged_posts(rows) if row_heads(row) == HEADS and row["toxicity"]["toxicity"] is not None]
    lines: list[Line] = []
    for index, side in enumerate(manifest.sides):
        against = [row["stance"][index]["against"] for row in judged]
        toxic = rank_association(against, [row["toxicity"]["toxicity"] for row in judged])
        negative = rank_association(against, [row["sentiment"]["negative"] for row in judged])
        if toxic is not None and negative is not None:
            figures = [f"{one.rho:z.2f} ({one.low:z.2f} to {one.high:z.2f})" for one in (toxic, negative)]
            lines.append((side.name, *figures, Cell(str(len(judged)), "judged=1")))
    head = ("against", "and toxicity", "and negative sentiment", "posts")
    return DataTable(head, tuple(lines)) if lines else None


def list_errors(errors: Mapping[str, Any]) -> DataTable | None:
    """The tagger's own metrics as it gives them: whatever holds a value is a line."""
    lines = tuple(_flatten_errors(errors, ()))
    return DataTable(("data", "measure", "value", "95% interval", "n"), lines) if lines else None


def post_name(row: Row) -> str:
    """How the page calls a post: by its printed number, else by its place from 1."""
    return f"No. {row['number']}" if row["number"] is not None else f"Post {row['position'] + 1}"


def _leave_out_bands(head: tuple[str, ...], lines: Sequence[Line]) -> DataTable:
    """The table without its column of bands where no share has one."""
    column = head.index("band")
    if any(line[column] for line in lines):
        return DataTable(head, tuple(lines))
    shorter: list[Line] = [(*line[:column], *line[column + 1 :]) for line in lines]
    return DataTable((*head[:column], *head[column + 1 :]), tuple(shorter))


def _share_cells(share: Share) -> tuple[str, ...]:
    """As _SHARE_HEAD; the band is empty where there is none."""
    band = ("", "") if share.band is None else tuple(f"{edge:.3f}" for edge in share.band)
    figures = (f"{value:.3f}" for value in (share.share, share.low, share.high))
    return (*figures, *band, share.basis, str(share.labelled))


def _list_stance(rows: Sequence[Row], numbers: Numbers, manifest: Manifest) -> Iterator[Line]:
    judged = judged_posts(rows)
    for index, shares in enumerate(numbers.stance):
        name = manifest.sides[index].name
        for outcome, share in shares.items():
            counts = Cell(str(share.count), show_stance(index, outcome)), Cell(str(share.n), "judged=1")
            yield name, outcome, *counts, *_share_cells(share)
        abstained = sum(stance_outcome(row, index) == ABSTAINED for row in judged)
        if abstained and shares:
            n = next(iter(shares.values())).n
            counts = Cell(str(abstained), show_stance(index, ABSTAINED)), Cell(str(n), "judged=1")
            yield name, ABSTAINED, *counts, f"{abstained / n:.3f}", "", "", "", "", "count of the tagger's", ""


def _list_course(rows: Sequence[Row], manifest: Manifest) -> DataTable:
    """Post by post as the figure draws them, or by its stretches in a long thread."""
    posts = [row for row in rows if row["kind"] == "post"]
    sides = tuple(side.name for side in manifest.sides) if "stance" in judged_heads(rows) else ()
    if len(posts) <= MOST_GLYPHS:
        lines = tuple(_list_post(row, len(sides), manifest) for row in judged_posts(posts))
        pairs = (name for side in sides for name in (side, f"{side}: favor less against"))
        return DataTable(("post", *pairs, "likeliest attribute", "probability", "toxic"), lines)
    return _list_stretches(posts, sides, manifest)


def _list_post(row: Row, sides: int, manifest: Manifest) -> Line:
    leans = []
    for index, judged in enumerate(row["stance"][:sides]):
        known = judged["favor"] is not None
        leans += [stance_outcome(row, index), f"{judged['favor'] - judged['against']:+z.2f}" if known else ""]
    values = {name: value for name, value in row["toxicity"].items() if value is not None}
    attribute = max(values, key=values.__getitem__, default="")
    toxic = "yes" if present_attributes(row, manifest.toxicity_threshold) else "no"
    last = (plain_name(attribute), probability(values[attribute]), toxic) if values else (NOT_JUDGED, "", "")
    place = row["position"] + 1
    return Cell(post_name(row), f"posts={place}-{place}"), *leans, *last


def _list_stretches(posts: Sequence[Row], sides: Sequence[str], manifest: Manifest) -> DataTable:
    toxic = "toxicity" in judged_heads(posts)
    lines = []
    for one in split_thread(posts, count_stretches(posts), manifest.toxicity_threshold):
        span = f"posts={one.first + 1}-{one.last + 1}"
        counts = [
            Cell(str(counts[outcome]), f"{span}&{show_stance(index, outcome)}")
            for index, counts in enumerate(one.stance[: len(sides)])
            for outcome in ("favor", "against")
        ]
        last = Cell(str(one.toxic), f"{span}&toxic=any") if toxic else NOT_JUDGED
        first = Cell(f"{one.first + 1} to {one.last + 1}", span), Cell(str(one.n), f"{span}&judged=1")
        lines.append((*first, *counts, last))
    pairs = (f"{side}: {outcome}" for side in sides for outcome in ("favor", "against"))
    return DataTable(("posts", "judged", *pairs, "toxic"), tuple(lines))


def _list_crossings(rows: Sequence[Row], manifest: Manifest, numbers: Numbers) -> Iterator[Line]:
    for index, shares in enumerate(numbers.crossings):
        for crossing in cross_stance(rows, index, manifest.toxicity_threshold):
            share = shares.get(crossing.stance)
            if share is not None:
                span = show_stance(index, crossing.stance)
                counts = (Cell(str(count), f"{span}&sentiment={tone}") for tone, count in crossing.sentiment.items())
                toxic = Cell(str(share.count), f"{span}&toxic=any"), Cell(str(share.n), span)
                yield manifest.sides[index].name, crossing.stance, *counts, *toxic, *_share_cells(share)


def _flatten_errors(errors: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, value in errors.items():
        here = (*path, str(name).replace("_", " "))
        if isinstance(value, Mapping) and "value" not in value:
            yield from _flatten_errors(value, here)
            continue
        if not isinstance(value, Mapping | int | float):
            continue  # a matrix or a remark is not a line of a table
        figures = value if isinstance(value, Mapping) else {"value": value}
        interval = f"{_figure(figures['low'])} to {_figure(figures['high'])}" if {"low", "high"} <= set(figures) else ""
        data, measure = here[0], ", ".join(here[1:])
        yield data, measure, _figure(figures["value"]), interval, _figure(figures.get("n", ""))


def _figure(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
