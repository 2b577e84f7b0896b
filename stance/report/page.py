"""The page of a thread and the files beside it, written from a table alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stance.estimate import Row, Share, judged_heads, judged_posts
from stance.html import make_directory, render_page, write_file
from stance.report import content, data
from stance.report.figures import MOST_GLYPHS, draw_pictures
from stance.report.graph import network_context
from stance.report.methods import write_methods
from stance.report.numbers import (
    RANK_FLOOR,
    Numbers,
    describe_status,
    estimate_numbers,
    list_unjudged,
    share_words,
)
from stance.report.pdf import check_printer, print_pdf
from stance.report.summary import write_summary
from stance.report.timeline import timeline_context
from stance.table import ENDINGS, Manifest, make_table, read_manifest, table_rows, write_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from stance.estimate.judged import Gold

# Fewer judged posts than this: an interval spans some twenty points, and the page says so.
_FEW_POSTS = 100
TEMPLATES = Path(__file__).parent / "templates"
_AUTHORS_SHOWN = 30  # the rest is folded away
_MANY_POSTS = 1000  # from here on a post gets fewer words in the page
MOST_PRINTED = 300  # posts; a print of more leaves the posts themselves out


@dataclass(frozen=True, slots=True)
class Choices:
    """What a report may hold more or less than others."""

    text: bool = True  # False: no words of posts and article, nor in the tables
    rank: bool = False  # named authors by their share of toxic posts
    pdf: bool = False  # the page printed, as report.pdf


def write_report(
    table: pa.Table, directory: str | Path, gold: Gold | None = None, choices: Choices | None = None
) -> Path:
    """Write the page, its tables and its figures into the directory, and return the page's path.

    Each file appears whole. Raises StanceError where the directory cannot be written, or where a PDF is wanted and
    nothing here can print one.
    """
    from stance.estimate.network import write_network

    directory, choices = Path(directory), choices or Choices()
    if choices.pdf:
        check_printer(directory / "report.pdf")
    if not choices.text:
        table = _drop_text(table)
    manifest, rows = read_manifest(table), table_rows(table)
    numbers = estimate_numbers(table, rows, manifest, gold, choices.rank)
    context = _thread_context(rows, manifest, numbers, choices)
    page = render_page(TEMPLATES, "thread.html", context | {"printed": False}, "script.js")
    make_directory(directory)
    for ending in ENDINGS:
        write_table(table, directory / f"tags{ending}")
    _write_figures(directory / "figures", context)
    write_network(rows, manifest, directory)
    write_file(directory / "summary.md", write_summary(manifest, numbers, context))
    write_file(directory / "index.html", page)
    if choices.pdf:
        paper = context | {"printed": True, "posts_left_out": len(context["posts"]) > MOST_PRINTED}
        print_pdf(render_page(TEMPLATES, "thread.html", paper), directory / "report.pdf")
    return directory / "index.html"


def _write_figures(directory: Path, context: dict[str, Any]) -> None:
    """Every picture of the page as SVG and PNG, and the numbers behind each as CSV."""
    parts = [part for part in (context["timeline"], context["network"]) if part is not None]
    pictures = [*context["pictures"], *(picture for part in parts for picture in part["pictures"])]
    tables = {picture.name: context["figure_data"][picture.name] for picture in context["pictures"]}
    tables |= {name: found for part in parts for name, found in part["data"].items()}
    if context["tone"] is not None:
        tables["tone"] = context["tone"]
    if pictures or tables:
        make_directory(directory)
    for picture in pictures:
        write_file(directory / f"{picture.name}.svg", picture.svg)
        write_file(directory / f"{picture.name}.png", picture.png)
    for name, found in tables.items():
        write_file(directory / f"{name}.csv", data.write_data(found))


def _drop_text(table: pa.Table) -> pa.Table:
    """The table without the words of posts and article, and without places in them."""
    rows = [row | {"body": "", "quotes": [], "evidence": None} for row in table_rows(table)]
    return make_table(rows, replace(read_manifest(table), blurb=None))


def _thread_context(rows: Sequence[Row], manifest: Manifest, numbers: Numbers, choices: Choices) -> dict[str, Any]:
    """What the template of a thread prints."""
    views = content.view_posts(rows, manifest)
    posts = [view for view in views if view.anchor != "article"]
    judged = len(judged_posts(rows))
    authors = content.view_authors(rows, len(manifest.sides))
    associations = data.list_associations(rows, manifest)
    return {
        "manifest": manifest,
        "share": share_words,
        "numbers": numbers,
        "status": {name: describe_status(group) for name, group in _group_shares(numbers).items()},
        "article": next((view for view in views if view.anchor == "article"), None),
        "posts": posts,
        "posts_left_out": False,
        "most_printed": MOST_PRINTED,
        "brief": len(posts) > _MANY_POSTS,
        "judged": judged,
        "by_post": len(posts) <= MOST_GLYPHS,
        "few": 0 < judged < _FEW_POSTS,
        "heads": judged_heads(rows),
        "unjudged": list_unjudged(rows, numbers, manifest),
        "foreign": content.count_foreign(rows, manifest.languages),
        "marked": any(row["evidence"] is not None for row in rows),
        "words": sum(row["words"] for row in judged_posts(rows)),
        "abstentions": sum(any(judgement.outcome == "abstained" for judgement in view.stance) for view in posts),
        "author_names": content.list_authors(rows),
        "authors": [view for view in authors if view.name is not None],
        "authors_shown": _AUTHORS_SHOWN,
        "unknown": next((view for view in authors if view.name is None), None),
        "ranked": choices.rank,
        "rank_floor": RANK_FLOOR,
        "rank_table": data.list_ranked(numbers, content.list_authors(rows)),
        "queue": content.rank_posts(posts),
        "toxic": sum(view.toxic for view in posts),
        "text": any(row["body"] for row in rows) or not rows,
        "tone": data.list_shares(numbers),
        "figure_data": data.list_figure_data(rows, manifest, numbers),
        "pictures": draw_pictures(rows, manifest, numbers),
        "associations": associations,
        "errors": data.list_errors(manifest.errors),
        "methods": write_methods(rows, manifest, numbers, associations is not None),
        **_list_parts(rows, manifest),
    }


def _list_parts(rows: Sequence[Row], manifest: Manifest) -> dict[str, Any]:
    """Parts of the page with a template and pictures of their own, None where there is nothing to show."""
    found = {"timeline": timeline_context(rows, manifest), "network": network_context(rows, manifest)}
    return found | {"parts": [f"{name}.html" for name, part in found.items() if part is not None]}


def _group_shares(numbers: Numbers) -> dict[str, list[Share]]:
    """The shares that stand together under one mark."""
    return {
        "stance": [share for side in numbers.stance for share in side.values()],
        "crossing": [share for side in numbers.crossings for share in side.values()],
        "tone": [*numbers.toxicity.values(), *numbers.sentiment.values()],
        "ranked": [line.share for line in numbers.ranked],
    }
