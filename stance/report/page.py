"""The page of a thread and the files beside it, written from a table alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stance.estimate import (
    HEADS,
    Row,
    judged_heads,
    judged_posts,
    sentiment_shares,
    stance_shares,
    toxicity_shares,
)
from stance.html import make_directory, render_page, write_file
from stance.records import TOXICITY
from stance.report import content
from stance.report.figures import MOST_GLYPHS, draw_pictures
from stance.table import ENDINGS, Manifest, read_manifest, table_rows, write_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

# Fewer judged posts than this: an interval spans some twenty points, and the page says so.
_FEW_POSTS = 100
TEMPLATES = Path(__file__).parent / "templates"
_AUTHORS_SHOWN = 30  # the rest is folded away


def write_report(table: pa.Table, directory: str | Path) -> Path:
    """Write the page, its tables and its figures into the directory, and return the page's path.

    The page comes last and each file appears whole. Raises StanceError where the directory cannot be written.
    """
    directory = Path(directory)
    manifest, rows = read_manifest(table), table_rows(table)
    pictures = draw_pictures(rows, manifest)
    page = render_page(TEMPLATES, "thread.html", _thread_context(rows, manifest) | {"pictures": pictures}, "script.js")
    make_directory(directory / "figures" if pictures else directory)
    for ending in ENDINGS:
        write_table(table, directory / f"tags{ending}")
    for picture in pictures:
        write_file(directory / "figures" / f"{picture.name}.svg", picture.svg)
        write_file(directory / "figures" / f"{picture.name}.png", picture.png)
    write_file(directory / "index.html", page)
    return directory / "index.html"


def _thread_context(rows: Sequence[Row], manifest: Manifest) -> dict[str, Any]:
    """What the template of a thread prints, but for its pictures."""
    views = content.view_posts(rows, manifest)
    posts = [view for view in views if view.anchor != "article"]
    judged = len(judged_posts(rows))
    authors = content.view_authors(rows, len(manifest.sides))
    return {
        "manifest": manifest,
        "article": next((view for view in views if view.anchor == "article"), None),
        "posts": posts,
        "judged": judged,
        "by_post": len(posts) <= MOST_GLYPHS,
        "few": 0 < judged < _FEW_POSTS,
        "heads": judged_heads(rows),
        "unjudged": _list_unjudged(rows, manifest),
        "foreign": content.count_foreign(rows, manifest.languages),
        "marked": any(row["evidence"] is not None for row in rows),
        "words": sum(row["words"] for row in judged_posts(rows)),
        "abstentions": sum(any(judgement.outcome == "abstained" for judgement in view.stance) for view in posts),
        "author_names": content.list_authors(rows),
        "authors": [view for view in authors if view.name is not None],
        "authors_shown": _AUTHORS_SHOWN,
        "unknown": next((view for view in authors if view.name is None), None),
        "queue": content.rank_posts(posts),
        "toxic": sum(view.toxic for view in posts),
        "stance": [stance_shares(rows, side) for side in range(len(manifest.sides))],
        "toxicity": toxicity_shares(rows, manifest.toxicity_threshold),
        "sentiment": sentiment_shares(rows),
        "figure_data": content.list_figure_data(rows, manifest),
        "associations": content.list_associations(rows, manifest),
        "errors": content.list_errors(manifest.errors),
    }


def _list_unjudged(rows: Sequence[Row], manifest: Manifest) -> list[str]:
    """What the tagger judges on no post: heads and attributes by name; empty where it judges no post at all."""
    heads, attributes = judged_heads(rows), toxicity_shares(rows, manifest.toxicity_threshold)
    missing = [head for head in HEADS if head not in heads and (head != "stance" or manifest.sides)]
    missing += [name for name in TOXICITY if attributes and name not in attributes]
    return missing if heads else []
