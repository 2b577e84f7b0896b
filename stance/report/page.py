"""The pages of a report and the files beside them, written from tables alone.

Whatever stands in a thread is hostile text: templates escape all of it, and the page's own policy
(Content-Security-Policy) lets nothing run but the one script below and nothing load from anywhere.
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from stance.estimate import (
    HEADS,
    PREDICTED,
    Row,
    Share,
    judged_heads,
    judged_posts,
    sentiment_shares,
    stance_shares,
    toxicity_shares,
)
from stance.files import open_replacing
from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError
from stance.report import content
from stance.report.figures import MOST_GLYPHS, draw_pictures, percent
from stance.table import ENDINGS, Manifest, read_manifest, table_rows, write_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa
    from jinja2 import Environment

# Fewer judged posts than this: an interval spans some twenty points, and the page says so.
_FEW_POSTS = 100
_AUTHORS_SHOWN = 30  # the rest is folded away


@dataclass(frozen=True, slots=True)
class IndexLine:
    """One thread in the index of several."""

    link: str
    title: str
    source: str | None
    posts: int
    judged: int
    stance: dict[str, dict[str, Share]]  # by side name; empty where no post is judged
    toxic: Share | None


def write_report(table: pa.Table, directory: str | Path) -> Path:
    """Write the page, its tables and its figures into the directory, and return the page's path.

    The page comes last and each file appears whole. Raises StanceError where the directory cannot be written.
    """
    directory = Path(directory)
    manifest, rows = read_manifest(table), table_rows(table)
    pictures = draw_pictures(rows, manifest)
    page = _render("thread.html", _thread_context(rows, manifest) | {"pictures": pictures})
    _make_directory(directory / "figures" if pictures else directory)
    for ending in ENDINGS:
        write_table(table, directory / f"tags{ending}")
    for picture in pictures:
        _write(directory / "figures" / f"{picture.name}.svg", picture.svg)
        _write(directory / "figures" / f"{picture.name}.png", picture.png)
    _write(directory / "index.html", page)
    return directory / "index.html"


def write_index(
    reports: Iterable[tuple[pa.Table, str | Path]], failures: Sequence[tuple[str, str]], directory: str | Path
) -> Path:
    """Write ``index.html`` over several threads and return its path.

    ``reports`` holds each table with the directory of its report; ``failures`` what could not be read, with its error
    in one line.
    """
    directory = Path(directory)
    lines = [_index_line(table, Path(report), directory) for table, report in reports]
    sides = list(dict.fromkeys(side for line in lines for side in line.stance))
    page = _render("index.html", {"lines": lines, "sides": sides, "failures": failures})
    _make_directory(directory)
    _write(directory / "index.html", page)
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


def _index_line(table: pa.Table, report: Path, directory: Path) -> IndexLine:
    manifest, rows = read_manifest(table), table_rows(table)
    link = Path(os.path.relpath(report / "index.html", directory)).as_posix()
    return IndexLine(
        link=quote(f"./{link}"),  # the dot keeps a name like "a:b" from being read as a scheme
        title=manifest.title or manifest.thread_id,
        source=manifest.source,
        posts=sum(row["kind"] == "post" for row in rows),
        judged=len(judged_posts(rows)),
        stance={side.name: stance_shares(rows, index) for index, side in enumerate(manifest.sides)},
        toxic=toxicity_shares(rows, manifest.toxicity_threshold).get("any"),
    )


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "probability": _probability, "plain": _plain_name}
    environment.globals |= {"STANCES": STANCES, "TOXICITY": TOXICITY, "SENTIMENTS": SENTIMENTS, "PREDICTED": PREDICTED}
    return environment


def _render(template: str, context: dict[str, Any]) -> bytes:
    """The page as UTF-8; style and script stand in it, the script allowed by its hash."""
    folder = Path(__file__).parent / "templates"
    script = (folder / "script.js").read_text(encoding="utf-8")
    digest = b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    style = (folder / "style.css").read_text(encoding="utf-8")
    own = {"style": style, "script": script, "script_hash": digest}
    page = _templates().get_template(template).render(context | own)
    return page.encode("utf-8", "replace")  # a lone surrogate in a title must not stop a report


def _probability(value: float) -> str:
    """Two decimals without the leading zero: ".07"; "1.0" from .995."""
    return "1.0" if value >= 0.995 else f"{value:.2f}".removeprefix("0")


def _plain_name(name: str) -> str:
    """An attribute's name as words: "identity attack"."""
    return name.replace("_", " ")


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StanceError(f"{directory}: cannot be made ({error.strerror}). Name another place with -o.") from error


def _write(path: Path, written: bytes) -> None:
    with open_replacing(path) as file:
        file.write(written)
