"""The folder of a gold sample as it is drawn: the sample, and for every coder a form and a spreadsheet."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stance.estimate.judged import Gold, Judged, read_judged
from stance.files import open_replacing
from stance.gold.draw import Design, draw_sample
from stance.gold.form import Task, list_shown, write_form, write_spreadsheet
from stance.gold.labels import is_filled
from stance.gold.sample import NAME, check_coders, read_sample, write_sample
from stance.html import make_directory
from stance.records import Side, StanceError
from stance.table import read_manifest, read_table

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Source:
    """A table that posts are drawn from."""

    path: Path
    sha256: str
    table: pa.Table
    judged: tuple[Judged, ...]


def draw_folder(paths: Sequence[Path], folder: Path, design: Design, codebook: str) -> Gold:
    """Draw from the tables and write the folder; StanceError where it holds labels, or where nothing can be drawn."""
    check_coders(design.coders)
    _check_folder(folder)
    sources = [_read_source(path) for path in paths]
    sides, topic = _one_topic(sources)
    gold = draw_sample([one for source in sources for one in source.judged], topic, design)
    shown = list_shown(gold, [source.table for source in sources])
    make_directory(folder)
    _remove_former(folder, gold.coders)
    counts = [len(gold.drawn), *(min(design.shared, len(gold.drawn)) for _ in gold.coders[1:])]
    for coder, count in zip(gold.coders, counts, strict=True):
        task = Task(coder, _name_key(gold), topic, sides, tuple(shown[:count]), codebook)
        write_form(folder / f"form-{coder}.html", task)
        write_spreadsheet(folder / f"sample-{coder}.csv", task)
    with open_replacing(folder / "codebook.md") as file:
        file.write(codebook.encode("utf-8", "replace"))
    more = _describe(sources, design, len(gold.drawn)) | {
        "sides": [{"name": side.name, "label": side.label, "target": side.target} for side in sides],
        "coders": [{"name": coder, "posts": count} for coder, count in zip(gold.coders, counts, strict=True)],
    }
    write_sample(folder, gold, more)
    return gold


def describe_method(design: Design, drawn: int, posts: int) -> str:
    """How the posts were drawn, in words for a methods section."""
    if drawn == posts:
        return f"all {posts:,} judged posts"
    of = f"of {drawn:,} of {posts:,} judged posts, without replacement"
    if not design.by:
        return f"simple random sample {of}"
    names = {"thread": "thread", "label": "rarest predicted label", "uncertainty": "third of uncertainty"}
    by = " and ".join(names[one] for one in design.by)
    return f"stratified random sample {of}, by {by}, {design.allocation} allocation"


def _check_folder(folder: Path) -> None:
    """Labels are work that no redraw may cost."""
    if folder.exists() and not folder.is_dir():
        raise StanceError(f"{folder}: a file, not a folder. Name a folder with -o.")
    sheets = sorted(folder.glob("sample-*.csv")) if (folder / NAME).is_file() else []
    held = [*sorted(folder.glob("labels-*")), *(path for path in sheets if _may_be_filled(path))]
    if held:
        raise StanceError(
            f"{folder}: holds labels ({held[0].name}), which a new sample must not replace. Draw into another folder: "
            "with the same --seed and tables a larger -n holds these posts too, and its form loads the saved file."
        )


def _remove_former(folder: Path, coders: Sequence[str]) -> None:
    """Take away the empty forms and sheets of a former draw's other coders, whose posts are not in this sample."""
    try:
        former = read_sample(folder).coders
    except StanceError:
        return
    for coder in set(former) - set(coders):
        for name in (f"form-{coder}.html", f"sample-{coder}.csv"):
            (folder / name).unlink(missing_ok=True)


def _may_be_filled(path: Path) -> bool:
    try:
        return is_filled(path)
    except StanceError:
        return True  # not as it was written: somebody has worked on it


def _read_source(path: Path) -> Source:
    table = read_table(path)
    return Source(path, hashlib.sha256(path.read_bytes()).hexdigest(), table, tuple(read_judged(table)))


def _one_topic(sources: Sequence[Source]) -> tuple[tuple[Side, ...], str]:
    manifests = [read_manifest(source.table) for source in sources]
    for source, manifest in zip(sources, manifests, strict=True):
        if manifest.topic != manifests[0].topic:
            raise StanceError(
                f"{source.path}: its topic is {manifest.topic}, that of {sources[0].path} is {manifests[0].topic}. "
                "Draw from tables of one topic."
            )
    return manifests[0].sides, manifests[0].topic


def _describe(sources: Sequence[Source], design: Design, drawn: int) -> dict[str, Any]:
    posts = sum(len(one.ids) for source in sources for one in source.judged)
    return {
        "method": describe_method(design, drawn, posts),
        "by": list(design.by),
        "allocation": design.allocation if design.by else None,
        "tables": [
            {"path": str(source.path), "sha256": source.sha256, "threads": [one.thread for one in source.judged]}
            for source in sources
        ],
    }


def _name_key(gold: Gold) -> str:
    """The same for the same posts in the same order, whatever the folder."""
    places = "\n".join(f"{one.thread}\t{one.post}" for one in gold.drawn)
    return hashlib.sha256(f"{gold.topic}\n{places}".encode("utf-8", "replace")).hexdigest()[:16]
