"""The table between the tagger and everything that reads its results: rows of an Arrow table and their files.

Estimates, reports and queues start from a table alone. A table carries its ``Manifest``: what made the numbers,
and the facts about the thread that are not a row's. Importing this module costs nothing; pyarrow is loaded by
the functions that use it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stance.files import open_replacing
from stance.records import Side, StanceError, Tag, Thread, Topic
from stance.table.columns import make_columns, table_schema
from stance.table.lines import contract_row, defuse, post_row, write_csv

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from stance.tagger import Tagger

# 1: one row a post, one more for the article; stance, toxicity and sentiment as probabilities; manifest as JSON.
# 2: mention and evidence.
# 3: language; how the thread was read and which languages are judged, in the manifest.
SCHEMA_VERSION = 3

__all__ = [
    "ENDINGS",
    "SCHEMA_VERSION",
    "Manifest",
    "build_table",
    "build_tables",
    "defuse",
    "is_table",
    "join_tables",
    "make_manifest",
    "make_table",
    "post_row",
    "read_manifest",
    "read_table",
    "table_rows",
    "table_schema",
    "write_rows",
    "write_table",
]

ENDINGS = (".parquet", ".csv", ".jsonl")

_MANIFEST_KEY = b"stance.manifest"
# Line ends to str.splitlines and to JavaScript, though not to JSON: a row must stay one line.
_LINE_ENDS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "\x85\u2028\u2029"}


@dataclass(frozen=True, slots=True)
class Manifest:
    """What made a table. The fields about the thread are filled in by ``build_table``."""

    tagger: str  # name
    tagger_sha256: str  # of the model folder
    topic: str  # name
    sides: tuple[Side, ...]  # in the order of every stance list
    version: str  # of this program
    toxicity_threshold: tuple[float, ...]  # probability from which an attribute counts as present, as TOXICITY
    abstain_below: float | None = None  # probability under which no label is given
    errors: Mapping[str, Any] = field(default_factory=dict)  # the tagger's own metrics: data set -> measure -> figures
    languages: tuple[str, ...] = ()  # that the tagger reads, ISO 639-1; (): any
    mention_threshold: float = 0.5  # probability from which hostile words count as reported or condemned
    source: str | None = None  # path as given
    source_sha256: str | None = None
    thread_id: str = ""
    title: str | None = None
    blurb: str | None = None
    gaps: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    layout: str | None = None  # how the source was read: its family and its layout or platform
    confidence: float | None = None  # 0 to 1, of that reading
    schema: int = SCHEMA_VERSION

    @property
    def run(self) -> dict[str, str | int | None]:
        """The part that stands in every row of a text file, so that split or joined files still explain themselves."""
        return {
            "tagger": self.tagger,
            "tagger_sha256": self.tagger_sha256,
            "topic": self.topic,
            "version": self.version,
            "source": self.source,
            "source_sha256": self.source_sha256,
            "schema": self.schema,
        }


def make_manifest(tagger: Tagger, topic: Topic) -> Manifest:
    """The manifest of what this tagger says on this topic, before a thread is added."""
    from stance import __version__

    return Manifest(
        tagger=tagger.name,
        tagger_sha256=tagger.sha256,
        topic=topic.name,
        sides=topic.sides,
        version=__version__,
        toxicity_threshold=tagger.thresholds.toxicity,
        mention_threshold=tagger.thresholds.mention,
        abstain_below=tagger.thresholds.stance,
        errors=tagger.errors,
        languages=tagger.languages,
    )


def build_table(thread: Thread, tags: Sequence[Tag | None], article_tag: Tag | None, manifest: Manifest) -> pa.Table:
    """One row a post in order, after one row of kind "article" where there is an article.

    ``tags`` holds one entry a post; None leaves the row without a tag. Facts about the thread in the manifest come
    from the thread, whatever the given manifest holds.
    """
    reading = thread.reading
    manifest = replace(
        manifest,
        source=thread.source,
        source_sha256=thread.sha256,
        thread_id=thread.id,
        title=thread.title,
        blurb=thread.blurb,
        gaps=thread.gaps,
        warnings=thread.warnings,
        layout=None if reading is None else f"{reading.format}: {reading.layout}",
        confidence=None if reading is None else reading.confidence,
    )
    return build_tables([(thread, tags, article_tag)], manifest)


def build_tables(threads: Iterable[tuple[Thread, Sequence[Tag | None], Tag | None]], manifest: Manifest) -> pa.Table:
    """The rows of several threads, each with the tags of its posts and of its article; the manifest as it is given."""
    import pyarrow as pa

    return pa.Table.from_arrays(make_columns(threads, manifest.sides), schema=_mark_schema(manifest))


def make_table(rows: Sequence[Mapping[str, Any]], manifest: Manifest) -> pa.Table:
    """A table of rows as ``table_rows`` gives them."""
    import pyarrow as pa

    return pa.Table.from_pylist(list(rows), schema=_mark_schema(manifest))


def join_tables(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of all tables of one run, in order; of several threads the manifest has no title, gaps or warnings."""
    import pyarrow as pa

    if len(tables) == 1:
        return tables[0]
    manifest = replace(read_manifest(tables[0]), thread_id="", title=None, blurb=None, gaps=(), warnings=())
    schema = _mark_schema(replace(manifest, layout=None, confidence=None))
    return pa.concat_tables(tables).replace_schema_metadata(schema.metadata)


def table_rows(table: pa.Table) -> list[dict[str, Any]]:
    """The rows as plain values, columns as in ``table_schema``."""
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def read_manifest(table: pa.Table) -> Manifest:
    """The manifest of a table made by ``build_table``, whichever file it came from."""
    written = (table.schema.metadata or {}).get(_MANIFEST_KEY)
    if written is None:
        raise StanceError("the table has no manifest: it was not made by this program. Make one with `stance report`.")
    values = json.loads(written)
    if values.get("schema") != SCHEMA_VERSION:
        raise StanceError(
            f"the table has schema {values.get('schema')}, this program reads {SCHEMA_VERSION}. "
            "Make it again from the source."
        )
    values["sides"] = tuple(Side(**{**side, "aliases": tuple(side["aliases"])}) for side in values["sides"])
    for name in ("toxicity_threshold", "gaps", "warnings", "languages"):
        values[name] = tuple(values[name])
    return Manifest(**values)


def read_table(path: str | Path) -> pa.Table:
    """A table from the .parquet file that ``write_table`` made; StanceError for anything else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if Path(path).suffix != ".parquet":
        raise StanceError(f"{path}: tables are read from .parquet only. Pass the .parquet file of the same run.")
    if not Path(path).is_file():
        raise StanceError(f"{path}: no such file. Check the path.")
    try:
        table = pq.ParquetFile(path).read()
    except OSError as error:
        raise StanceError(f"{path}: {error.strerror or 'cannot be read'}. Check the path.") from error
    except pa.ArrowException as error:
        raise StanceError(f"{path}: not a Parquet file, or a damaged one. Make it again from the source.") from error
    try:
        read_manifest(table)
    except StanceError as error:
        raise StanceError(f"{path}: {error}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise StanceError(f"{path}: the manifest is damaged ({error}). Make it again from the source.") from error
    if not table.schema.equals(table_schema()):
        raise StanceError(f"{path}: columns changed since it was written. Make it again from the source.")
    return table


def is_table(path: Path) -> bool:
    """Whether a file is a .parquet file of ``write_table``."""
    import pyarrow.parquet as pq

    try:
        return path.suffix == ".parquet" and _MANIFEST_KEY in (pq.read_schema(path).metadata or {})
    except (OSError, ValueError):  # of Arrow's errors too
        return False


def write_table(table: pa.Table, path: str | Path) -> None:
    """Write .parquet, .csv or .jsonl by the path's ending. The same table gives the same bytes."""
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise StanceError(f"{path}: unknown ending. Name a file that ends in {', '.join(ENDINGS)}.")
    if path.suffix == ".jsonl":
        run = read_manifest(table).run
        write_rows((contract_row(row, run) for row in table_rows(table)), path)
        return
    with open_replacing(path) as file:
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            pq.write_table(table, file, compression="zstd", row_group_size=65_536)
        else:
            manifest = read_manifest(table)
            write_csv(table_rows(table), manifest.sides, manifest.run, file)


def write_rows(rows: Iterable[Mapping[str, Any]], path: str | Path) -> None:
    """Write JSON lines, one row at a time; the file appears only when the last row is written."""
    with open_replacing(path) as file:
        for row in rows:
            line = json.dumps(row, ensure_ascii=False, allow_nan=False).translate(_LINE_ENDS)
            # backslashreplace writes a lone surrogate as its JSON escape
            file.write(line.encode("utf-8", "backslashreplace") + b"\n")


def _mark_schema(manifest: Manifest) -> pa.Schema:
    written = json.dumps(asdict(manifest), ensure_ascii=True, sort_keys=True)
    return table_schema().with_metadata({_MANIFEST_KEY: written})
