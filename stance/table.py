"""The table between the tagger and everything that reads its results: rows of an Arrow table and their files.

Estimates, reports and queues start from a table alone. A table carries its ``Manifest``: what made the numbers,
and the facts about the thread that are not a row's. Importing this module costs nothing; pyarrow is loaded by
the functions that use it.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from stance.files import open_replacing
from stance.records import SENTIMENTS, STANCES, TOXICITY, Post, Quote, Side, StanceError, Tag, Thread, Topic

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from stance.tagger import Tagger

# 1: one row a post, one more for the article; stance, toxicity and sentiment as probabilities; manifest as JSON.
# 2: mention and evidence.
# 3: language; how the thread was read and which languages are judged, in the manifest.
SCHEMA_VERSION = 3

ENDINGS = (".parquet", ".csv", ".jsonl")

_MANIFEST_KEY = b"stance.manifest"
_DECIMALS = 6
# A spreadsheet runs a cell that begins so, whatever wrote the file.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
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


def table_schema() -> pa.Schema:
    """The columns of version ``SCHEMA_VERSION``, without a manifest."""
    import pyarrow as pa

    number, text, place = pa.float64(), pa.string(), pa.int32()
    quote = pa.struct([("start", place), ("end", place), ("source", text), ("match", text)])
    judgement = pa.struct([("side", text), ("label", text), *((name, number) for name in STANCES)])
    return pa.schema(
        [
            pa.field("thread", text, nullable=False),
            pa.field("kind", text, nullable=False),  # "article" or "post"
            ("position", place),  # from 0; null for the article
            pa.field("id", text, nullable=False),
            ("number", text),
            ("author", text),
            ("time", pa.timestamp("us", tz="UTC")),
            pa.field("body", text, nullable=False),
            ("quotes", pa.list_(quote)),  # source: "article", a position as text, or null: from outside the thread
            ("reply_to", place),
            ("reply_basis", text),
            ("language", text),  # of the own words, ISO 639-1; null: too few words to tell
            ("words", place),  # judged; null where the row has no tag
            ("stance", pa.list_(judgement)),
            ("toxicity", pa.struct([(name, number) for name in TOXICITY])),
            ("sentiment", pa.struct([("label", text), *((name, number) for name in SENTIMENTS)])),
            ("mention", number),  # probability that hostile words are reported or condemned, not used
            ("evidence", pa.list_(pa.struct([("start", place), ("end", place)]))),  # in the body; null: not judged
        ]
    )


def build_table(thread: Thread, tags: Sequence[Tag | None], article_tag: Tag | None, manifest: Manifest) -> pa.Table:
    """One row a post in order, after one row of kind "article" where there is an article.

    ``tags`` holds one entry a post; None leaves the row without a tag. Facts about the thread in the manifest come
    from the thread, whatever the given manifest holds.
    """
    if len(tags) != len(thread.posts):
        raise ValueError(f"{len(tags)} tags for {len(thread.posts)} posts")
    rows = []
    if thread.article is not None:
        article = Post(id="article", body=thread.article)
        rows.append(_table_row(thread.id, None, article, article_tag, manifest.sides))
    for position, (post, tag) in enumerate(zip(thread.posts, tags, strict=True)):
        rows.append(_table_row(thread.id, position, post, tag, manifest.sides))
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
    return make_table(rows, manifest)


def make_table(rows: Sequence[Mapping[str, Any]], manifest: Manifest) -> pa.Table:
    """A table of rows as ``table_rows`` gives them."""
    import pyarrow as pa

    written = json.dumps(asdict(manifest), ensure_ascii=True, sort_keys=True)
    return pa.Table.from_pylist(list(rows), schema=table_schema().with_metadata({_MANIFEST_KEY: written}))


def join_tables(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of all tables of one run, in order; of several threads the manifest has no title, gaps or warnings."""
    import pyarrow as pa

    if len(tables) == 1:
        return tables[0]
    manifest = replace(read_manifest(tables[0]), thread_id="", title=None, blurb=None, gaps=(), warnings=())
    written = json.dumps(asdict(replace(manifest, layout=None, confidence=None)), ensure_ascii=True, sort_keys=True)
    return pa.concat_tables(tables).replace_schema_metadata({_MANIFEST_KEY: written})


def post_row(
    post_id: str | float | None, post: Post, tag: Tag, sides: Sequence[Side], run: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The row of ``stance tag`` for one post: id, what its own words got, and ``Manifest.run`` where given."""
    row = {"id": post_id, **_contract_cells(_tag_cells(post, tag, sides))}
    return row if run is None else {**row, "run": dict(run)}


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
        write_rows((_contract_row(row, run) for row in table_rows(table)), path)
        return
    with open_replacing(path) as file:
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            pq.write_table(table, file, compression="zstd", row_group_size=65_536)
        else:
            _write_csv(table, file)


def write_rows(rows: Iterable[Mapping[str, Any]], path: str | Path) -> None:
    """Write JSON lines, one row at a time; the file appears only when the last row is written."""
    with open_replacing(path) as file:
        for row in rows:
            line = json.dumps(row, ensure_ascii=False, allow_nan=False).translate(_LINE_ENDS)
            # backslashreplace writes a lone surrogate as its JSON escape
            file.write(line.encode("utf-8", "backslashreplace") + b"\n")


def _table_row(thread: str, position: int | None, post: Post, tag: Tag | None, sides: Sequence[Side]) -> dict[str, Any]:
    """One row, columns as in ``table_schema``."""
    row = {
        "thread": thread,
        "kind": "article" if position is None else "post",
        "position": position,
        "id": post.id,
        "number": post.number,
        "author": post.author,
        "time": post.time,
        "body": post.body,
        "quotes": [_quote_cell(quote) for quote in post.quotes],
        "reply_to": post.reply_to,
        "reply_basis": post.reply_basis,
        "language": post.language,
        **({} if tag is None else _tag_cells(post, tag, sides)),
    }
    return {name: _encodable(value) if isinstance(value, str) else value for name, value in row.items()}


def _encodable(text: str) -> str:
    """The text, each lone surrogate as a question mark: Arrow holds valid UTF-8 only, and quotes keep their places."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _quote_cell(quote: Quote) -> dict[str, Any]:
    source = None if quote.source is None else str(quote.source)
    return {"start": quote.start, "end": quote.end, "source": source, "match": quote.match}


def _tag_cells(post: Post, tag: Tag, sides: Sequence[Side]) -> dict[str, Any]:
    """The columns from words to evidence."""
    stance = [
        {"side": side.name, "label": judged.label, **_rounded(STANCES, judged.probabilities)}
        for side, judged in zip(sides, tag.stance, strict=True)
    ]
    sentiment = {"label": tag.sentiment.label, **_rounded(SENTIMENTS, tag.sentiment.probabilities)}
    return {
        "words": tag.words,
        "stance": stance,
        "toxicity": _rounded(TOXICITY, tag.toxicity),
        "sentiment": sentiment,
        "mention": None if tag.mention is None else round(tag.mention, _DECIMALS),
        "evidence": None
        if tag.evidence is None
        else [{"start": start, "end": end} for stretch in tag.evidence for start, end in post.find_in_body(*stretch)],
    }


def _rounded(names: Sequence[str], probabilities: Sequence[float]) -> dict[str, float | None]:
    """The probabilities by name; NaN, which a tagger gives for what it does not judge, becomes null."""
    return {
        name: None if isnan(value) else round(float(value), _DECIMALS)
        for name, value in zip(names, probabilities, strict=True)
    }


def _contract_cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """What scripts get of a tag; all null where the row has none."""
    stance = row["stance"]
    if stance is not None:
        stance = {judged["side"]: {name: judged[name] for name in ("label", *STANCES)} for judged in stance}
    return {"stance": stance, **{name: row[name] for name in ("toxicity", "sentiment", "mention", "evidence")}}


def _contract_row(row: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """A table row as a JSON line: the row of ``post_row`` with the post around it."""
    quotes = [{**quote, "source": _json_source(quote["source"])} for quote in row["quotes"]]
    return {
        "id": row["id"],
        **_contract_cells(row),
        **{name: row[name] for name in ("thread", "kind", "position", "number", "author")},
        "time": _time_text(row["time"]),
        **{name: row[name] for name in ("reply_to", "reply_basis", "language")},
        "quotes": quotes,
        **{name: row[name] for name in ("body", "words")},
        "run": dict(run),
    }


def _json_source(source: str | None) -> str | int | None:
    return int(source) if source is not None and source != "article" else source


def _time_text(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _write_csv(table: pa.Table, file: BinaryIO) -> None:
    """One flat column a value; UTF-8; null is an empty cell."""
    manifest = read_manifest(table)
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\r\n")
    run = {f"run.{name}": value for name, value in manifest.run.items()}
    blank = dict.fromkeys(table.schema.names)
    writer.writerow([defuse(name) for name in {**_csv_cells(blank, manifest.sides), **run}])
    for row in table_rows(table):
        cells = {**_csv_cells(row, manifest.sides), **run}
        writer.writerow([defuse(value) for value in cells.values()])
    text.detach()  # the caller closes the file


def _csv_cells(row: Mapping[str, Any], sides: Sequence[Side]) -> dict[str, Any]:
    plain = ("thread", "kind", "position", "id", "number", "author")
    cells = {name: row[name] for name in plain}
    cells["time"] = _time_text(row["time"])
    cells["body"] = row["body"]
    cells["quotes"] = json.dumps(row["quotes"], ensure_ascii=False) if row["quotes"] else None
    cells |= {name: row[name] for name in ("reply_to", "reply_basis", "language", "words")}
    for index, side in enumerate(sides):
        judged = row["stance"][index] if row["stance"] is not None else {}
        cells[f"stance.{side.name}"] = judged.get("label")
        cells |= {f"stance.{side.name}.{name}": judged.get(name) for name in STANCES}
    cells |= {f"toxicity.{name}": (row["toxicity"] or {}).get(name) for name in TOXICITY}
    sentiment = row["sentiment"] or {}
    cells["sentiment"] = sentiment.get("label")
    cells |= {f"sentiment.{name}": sentiment.get(name) for name in SENTIMENTS}
    cells["mention"] = row["mention"]
    cells["evidence"] = json.dumps(row["evidence"]) if row["evidence"] else None
    return cells


def defuse(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value
