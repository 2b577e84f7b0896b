"""The page over several threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stance.estimate import PREDICTED, Share
from stance.html import make_directory, render_page, write_file
from stance.records import STANCES, StanceError
from stance.report.comparison import Gathering, add_table, link_reports, write_gathering
from stance.report.numbers import describe_status, share_words
from stance.report.page import TEMPLATES
from stance.table import read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from stance.estimate.judged import Gold, Judged

COMPARISON = "comparison"  # folder of the comparison, beside the index


@dataclass(frozen=True, slots=True)
class IndexLine:
    """One thread in the index of several."""

    link: str
    title: str
    source: str | None
    posts: int
    judged: int
    stance: dict[str, dict[str, Share]]  # by side name, then by STANCES; empty where no post is judged
    toxic: Share | None

    @property
    def shares(self) -> list[Share]:
        """Those that are printed."""
        stance = [share for side in self.stance.values() for name, share in side.items() if name != "none"]
        return [*stance, *([self.toxic] if self.toxic is not None else [])]


def write_index(
    reports: Iterable[tuple[pa.Table, str | Path]],
    failures: Sequence[tuple[str, str]],
    directory: str | Path,
    gold: Gold | None = None,
) -> Path:
    """Write ``index.html`` over several threads and return its path; of two threads or more also their comparison.

    ``reports`` holds each table with the directory of its report; ``failures`` what could not be read, with its error
    in one line. Tables are taken one after the other. With ``gold`` shares are corrected where it has labels.
    """
    directory = Path(directory)
    gathering, lines = Gathering(gold), []
    for table, report in reports:
        page = Path(report) / "index.html"
        lines += _index_lines(table, page, directory, gold)
        try:
            add_table(gathering, table, page)
        except StanceError as error:
            gathering.failures.append((read_manifest(table).source or str(report), str(error)))
    compared = len(gathering.members) > 1
    shares = [share for line in lines for share in line.shares]
    context: dict[str, Any] = {
        "lines": lines,
        "sides": list(dict.fromkeys(side for line in lines for side in line.stance)),
        "failures": failures,
        "status": describe_status(shares),
        "share": share_words,
        "mixed": len({share.basis for share in shares}) > 1,
        "predicted": PREDICTED,
        "comparison": f"./{COMPARISON}/index.html" if compared else None,
        "compared": len(gathering.members),
    }
    page = directory / "index.html"
    written = render_page(TEMPLATES, "index.html", context)
    make_directory(directory)
    if compared:
        write_gathering(gathering, directory / COMPARISON)
    write_file(page, written)
    return page


def _index_lines(table: pa.Table, page: Path, directory: Path, gold: Gold | None) -> list[IndexLine]:
    """A line a thread, for a table without a row one without posts."""
    from stance.estimate.judged import read_judged
    from stance.estimate.members import narrow_gold

    manifest = read_manifest(table)
    (link,) = link_reports([page], directory)
    posts: dict[str, int] = {}
    for thread, kind in zip(table.column("thread").to_pylist(), table.column("kind").to_pylist(), strict=True):
        posts[thread] = posts.get(thread, 0) + (kind == "post")
    judged = {one.thread: one for one in read_judged(table)}
    own = {name: None if gold is None else narrow_gold(gold, name) for name in judged}
    lines = []
    for name in posts or {manifest.thread_id: 0}:
        one = judged.get(name)
        stance, toxic = ({}, None) if one is None else _index_shares(one, own[name], manifest.errors)
        lines.append(
            IndexLine(
                link=link or "",
                title=(manifest.title if len(posts) < 2 else None) or name,
                source=manifest.source,
                posts=posts.get(name, 0),
                judged=0 if one is None else len(one.ids),
                stance=stance if stance else {side.name: {} for side in manifest.sides},
                toxic=toxic,
            )
        )
    return lines


def _index_shares(
    judged: Judged, gold: Gold | None, errors: Mapping[str, Any]
) -> tuple[dict[str, dict[str, Share]], Share | None]:
    """Stance by side and outcome, and the share of posts that any attribute makes toxic."""
    from stance.estimate.correct import estimate_quantity
    from stance.estimate.judged import ANY, Quantity

    stance: dict[str, dict[str, Share]] = {}
    for side in judged.sides:
        found = {name: estimate_quantity(judged, Quantity("stance", side, name), gold, errors) for name in STANCES}
        stance[side] = {name: share for name, share in found.items() if share is not None}
    return stance, estimate_quantity(judged, Quantity("toxicity", ANY, "toxic"), gold, errors)
