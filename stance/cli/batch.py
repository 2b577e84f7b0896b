"""Reports of many inputs: what is read or tagged, made anonymous and written, and what failed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from stance.cli.terminal import fail, warn
from stance.records import StanceError, Topic

if TYPE_CHECKING:
    import pyarrow as pa

    from stance.estimate.judged import Gold
    from stance.gold.fit import Calibration
    from stance.pseudonyms import Pseudonyms
    from stance.read import Options
    from stance.report.page import Choices
    from stance.tagger import Tagger

MOST_NAME = 80  # characters of a folder's name; file systems take 255 bytes
_MOST_TOLD = 12  # names in a warning


@dataclass(slots=True)
class Source:
    """Where tables come from: files of this program as they are, everything else through the tagger."""

    options: Options
    topic: Topic
    tagger: str  # name; loaded only where something is to be tagged
    loaded: Tagger | None = None

    def is_tagged(self, path: Path) -> bool:
        """Whether a file is a table of this program, and not to be read as something else."""
        from stance.table import is_table

        return self.options.format is None and is_table(path)

    def load(self) -> Tagger:
        """The tagger, loaded once."""
        from stance.tagger import load_tagger

        if self.loaded is None:
            self.loaded = load_tagger(self.tagger)
        return self.loaded

    def open_tables(self, path: Path) -> Iterator[pa.Table]:
        """The threads of a file, a table each."""
        from stance.table import read_table

        if self.is_tagged(path):
            yield from split_table(read_table(path))
        else:
            yield from make_tables(path, self.options, self.topic, self.load())


@dataclass(slots=True)
class Batch:
    """Reports that are made one after the other; with pseudonyms all at the end, when all names are known."""

    output: Path
    choices: Choices
    gold: Gold | None
    calibration: Calibration | None
    key: bytes | None
    made: dict[str, pa.Table] = field(default_factory=dict)  # by the name of the folder
    waiting: list[pa.Table] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)  # source, error in one line

    @contextmanager
    def catch(self, source: str) -> Iterator[None]:
        """What fails is reported, and the rest goes on."""
        try:
            yield
        except StanceError as error:
            fail(error)
            self.failures.append((source, str(error)))

    def add(self, table: pa.Table) -> None:
        """Report a thread now, or keep it until all names are known."""
        from stance.report.calibrated import calibrate_table

        if self.calibration is not None:
            table = calibrate_table(table, self.calibration, self.gold)
        if self.key is None:
            self._write(table)
        else:
            self.waiting.append(table)

    def finish(self) -> None:
        """Write what waits and the index, and say where the pages are."""
        from stance.report import write_index

        if self.key is not None and self.waiting:
            renamed, pseudonyms = rename_tables(self.waiting, self.key)
            if self.gold is not None:
                self.gold = rename_gold(self.gold, self.waiting, renamed)
            self.failures = [(pseudonyms.rename(source), pseudonyms.rename(why)) for source, why in self.failures]
            for table in renamed:
                with self.catch(str(table.column("thread")[0]) if len(table) else "thread"):
                    self._write(table)
        if self.made and len(self.made) + len(self.failures) > 1:
            reports = [(table, self.output / name) for name, table in self.made.items()]
            typer.echo(write_index(reports, self.failures, self.output, self.gold))
        for name in self.made:
            typer.echo(self.output / name / "index.html")

    def _write(self, table: pa.Table) -> None:
        from stance.report import write_report
        from stance.report.index import COMPARISON
        from stance.table import read_manifest

        name = name_folder(read_manifest(table).thread_id, {*self.made, COMPARISON})
        write_report(table, self.output / name, self.gold, self.choices)
        self.made[name] = table


def name_folder(thread: str, taken: Container[str]) -> str:
    """A folder's name for a thread's id, with a number behind it where another thread has that name."""
    plain = re.sub(r"[^\w.-]+", "-", thread)[:MOST_NAME].strip(".-") or "thread"
    names = itertools.chain([plain], (f"{plain}-{count}" for count in itertools.count(2)))
    return next(name for name in names if name not in taken)


def make_tables(
    path: Path, options: Options, topic: Topic, tagger: Tagger, advance: Callable[[int], None] | None = None
) -> Iterator[pa.Table]:
    """Read and tag the threads of a file; ``advance`` hears how many texts of a thread are tagged."""
    from stance.table import build_table, make_manifest
    from stance.tag import tag_thread
    from stance.thread import read_threads

    for thread in read_threads(path, options):
        tags, article = tag_thread(thread, topic, tagger, advance)
        yield build_table(thread, tags, article, make_manifest(tagger, topic))


def split_table(table: pa.Table) -> list[pa.Table]:
    """The threads of a table of several, a table each, in order."""
    from stance.table import make_table, read_manifest, table_rows

    manifest, by_thread = read_manifest(table), dict[str, list[dict[str, Any]]]()
    for row in table_rows(table):
        by_thread.setdefault(row["thread"], []).append(row)
    if len(by_thread) <= 1:
        return [table]
    return [make_table(rows, replace(manifest, thread_id=name)) for name, rows in by_thread.items()]


def rename_tables(tables: Sequence[pa.Table], key: bytes) -> tuple[list[pa.Table], Pseudonyms]:
    """The tables with pseudonyms for authors; names that stay in text are told of on stderr, in no file."""
    from stance.pseudonyms import make_pseudonyms, rename_table

    pseudonyms = make_pseudonyms(tables, key)
    if pseudonyms.kept:
        told = ", ".join(pseudonyms.kept[:_MOST_TOLD]) + (", ..." if len(pseudonyms.kept) > _MOST_TOLD else "")
        warn(f"--pseudonyms: too short or too common to be replaced in text, unless marked as names: {told}")
    return [rename_table(table, pseudonyms) for table in tables], pseudonyms


def rename_gold(gold: Gold, before: Sequence[pa.Table], after: Sequence[pa.Table]) -> Gold:
    """The sample with the ids that its threads and posts have now."""
    from stance.estimate.judged import Drawn, GoldLabel

    places: dict[tuple[str, str], tuple[str, str]] = {}
    for old, new in zip(before, after, strict=True):
        places |= dict(zip(_list_places(old), _list_places(new), strict=True))
    threads = {old: new for (old, _), (new, _) in places.items()}

    def move(thread: str, post: str) -> tuple[str, str]:
        return places.get((thread, post), (thread, post))

    return replace(
        gold,
        strata=tuple(replace(one, thread=threads.get(one.thread, one.thread)) for one in gold.strata),
        drawn=tuple(Drawn(*move(one.thread, one.post), one.stratum, one.probability) for one in gold.drawn),
        labels=tuple(
            GoldLabel(*move(one.thread, one.post), one.coder, one.stance, one.toxicity, one.sentiment)
            for one in gold.labels
        ),
    )


def _list_places(table: pa.Table) -> list[tuple[str, str]]:
    """Thread and id of every row."""
    return list(zip(table.column("thread").to_pylist(), table.column("id").to_pylist(), strict=True))
