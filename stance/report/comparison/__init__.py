"""The page that compares threads, and its tables."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from stance.html import make_directory, render_page, write_file
from stance.records import StanceError
from stance.table import read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pyarrow as pa

    from stance.estimate.judged import Gold
    from stance.estimate.members import Member

TEMPLATES = Path(__file__).parent.parent / "templates"
PERMUTATIONS, SEED = 1999, 0


@dataclass(frozen=True, slots=True)
class Conduct:
    """How threads are compared."""

    permutations: int = PERMUTATIONS
    seed: int = SEED
    toxic_authors: bool = False  # whether to name who drives differences in toxicity


@dataclass(slots=True)
class Gathering:
    """The threads of a comparison, gathered from one table after the other."""

    gold: Gold | None = None
    members: list[Member] = field(default_factory=list)
    reports: list[Path | None] = field(default_factory=list)  # the page of each member
    empty: list[str] = field(default_factory=list)  # threads without a judged post
    failures: list[tuple[str, str]] = field(default_factory=list)  # what was left out, with the error in one line
    vocabulary: dict[str, int] = field(default_factory=dict)


def write_comparison(
    tables: Iterable[pa.Table | Path],
    directory: str | Path,
    gold: Gold | None = None,
    conduct: Conduct | None = None,
    fail: Callable[[StanceError], None] | None = None,
) -> Path:
    """Compare two threads or more, write the page and its tables into the directory, and return the page's path.

    Paths are read one by one, so that memory holds one table at a time. What cannot be read or compared goes to
    ``fail`` and onto the page, and the rest goes on; without ``fail`` it is raised. Raises StanceError where fewer
    than two threads are left.
    """
    gathering = Gathering(gold)
    for item in tables:
        try:
            if isinstance(item, Path):
                page = item.parent / "index.html"
                add_table(gathering, read_table(item), page if page.is_file() else None)
            else:
                add_table(gathering, item, None)
        except StanceError as error:
            if fail is None:
                raise
            gathering.failures.append((str(item) if isinstance(item, Path) else "table", str(error)))
            fail(error)
    if len(gathering.members) < 2:
        found = "one thread" if gathering.members else "no thread"
        raise StanceError(f"{directory}: {found} with judged posts, and a comparison takes two. Name more tables.")
    return write_gathering(gathering, directory, conduct)


def add_table(gathering: Gathering, table: pa.Table, page: Path | None) -> None:
    """Add the threads of a table; ``page`` is that of its report.

    StanceError where they cannot be compared with the others: other sides, or a name that another has, which gold
    would take for the same thread.
    """
    from stance.estimate.members import check_sides, read_members

    found = read_members(table, gathering.gold, gathering.vocabulary)
    for member in found:
        if gathering.members:
            check_sides(gathering.members[0], member)
        for other in gathering.members:
            if other.name == member.name and (gathering.gold is not None or other.digest == member.digest):
                raise StanceError(
                    f"{member.source or member.name}: the thread {member.name} is here already, from"
                    f" {other.source or 'another table'}. Name each thread once, under a name of its own."
                )
    for member in found:
        if member.judged:
            gathering.members.append(member)
            gathering.reports.append(page if len(found) == 1 else None)
        else:
            gathering.empty.append(member.label)


def write_gathering(gathering: Gathering, directory: str | Path, conduct: Conduct | None = None) -> Path:
    """Compare what was gathered, and write it."""
    from stance.estimate.compare import compare_members
    from stance.estimate.contrasts import contrast_members
    from stance.estimate.periods import count_periods
    from stance.report.comparison.files import list_files
    from stance.report.comparison.view import view_comparison

    directory, conduct = Path(directory), conduct or Conduct()
    members = gathering.members
    found = compare_members(members, conduct.permutations, conduct.seed, conduct.toxic_authors)
    periods = count_periods(members)
    contrasts = contrast_members(members, gathering.vocabulary)
    links = link_reports(gathering.reports, directory)
    files = list_files(found, contrasts, periods)
    context = view_comparison(found, contrasts, periods, links) | {
        "failures": gathering.failures,
        "empty": gathering.empty,
        "asked_gold": gathering.gold is not None,
        "toxic_authors": conduct.toxic_authors,
    }
    page = render_page(TEMPLATES, "comparison.html", context, "comparison.js", "comparison.css")
    make_directory(directory)
    for name, written in files.items():
        write_file(directory / name, written)
    write_file(directory / "index.html", page)
    return directory / "index.html"


def link_reports(pages: Sequence[Path | None], directory: Path) -> list[str | None]:
    """The addresses of pages as seen from the directory; the dot keeps a name like "a:b" from being a scheme."""
    return [None if page is None else quote(f"./{Path(os.path.relpath(page, directory)).as_posix()}") for page in pages]
