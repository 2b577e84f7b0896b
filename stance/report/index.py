"""The page over several threads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from stance.estimate import Share, judged_posts, stance_shares, toxicity_shares
from stance.html import make_directory, render_page, write_file
from stance.report.page import TEMPLATES
from stance.table import read_manifest, table_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa


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
    page = render_page(TEMPLATES, "index.html", {"lines": lines, "sides": sides, "failures": failures})
    make_directory(directory)
    write_file(directory / "index.html", page)
    return directory / "index.html"


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
