"""A part to its shard: linked, tagged and written, the manifest last; and which shards are there already.

A shard is up to four files of one name: ``tags/`` (as ``stance.table`` has it), ``threads/`` (a row a thread),
``rejects/`` (where there are any) and ``manifest/``. It counts as done when its manifest is of the same settings and
its files are as long as that says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stance.records import Thread
from stance.run.folder import find_file, keep_names, remove_part, write_durably
from stance.run.parts import Part, Rejected
from stance.run.plan import Settings, Unit

if TYPE_CHECKING:
    import pyarrow as pa

    from stance.run.cache import CachedTagger

MANIFEST_VERSION = 1
FOOTER = b"PAR1"  # that a Parquet file ends with


@dataclass(frozen=True, slots=True)
class Shard:
    """What a shard holds, and what it took."""

    part: str
    number: int  # in its unit
    last: bool  # of its unit
    threads: int
    posts: int
    rejects: int
    unreadable: tuple[Rejected, ...]  # inputs among the rejects
    texts: int = 0  # that were asked about; those of a shard that was there already are none
    cached: int = 0  # of those, judged before
    note: str | None = None  # what went wrong beside the shard, one line


def write_part(part: Part, settings: Settings, tagger: CachedTagger) -> Shard:
    """Link, tag and write a part. The same part and settings give the same bytes. StanceError where it cannot stand."""
    remove_part(settings.output, part.name)  # of other settings
    asked, cached = tagger.asked, tagger.cached
    tables: dict[str, pa.Table] = {}
    if part.threads:
        tables["tags"], tables["threads"] = _tag_threads(part.threads, settings, tagger)
    if part.rejects:
        tables["rejects"] = _tabulate_rejects(part.rejects)
    sizes: dict[str, int] = {}
    for kind, table in tables.items():
        content = _to_parquet(table)
        sizes[kind] = len(content)
        write_durably(find_file(settings.output, kind, part.name), content)
    for kind in tables:
        keep_names(settings.output / kind)
    shard = Shard(
        part.name,
        part.number,
        part.last,
        len(part.threads),
        sum(len(thread.posts) for thread in part.threads),
        len(part.rejects),
        tuple(rejected for rejected in part.rejects if not rejected.position),
        tagger.asked - asked,
        tagger.cached - cached,
        tagger.take_note(),
    )
    _write_manifest(shard, part, sizes, settings, tagger)
    return shard


def find_done(units: Iterable[Unit], settings: Settings) -> dict[str, Shard]:
    """The shards of these units that need not be made again, by part."""
    keys = {unit.key for unit in units}
    found = {}
    for path in sorted((settings.output / "manifest").glob("[0-9a-f]*.json")):
        if path.name.partition("-")[0] in keys:
            shard = _read_manifest(path, settings)
            if shard is not None:
                found[shard.part] = shard
    return found


def threads_schema() -> pa.Schema:
    """The columns of ``threads/``."""
    import pyarrow as pa

    text = pa.string()
    return pa.schema(
        [
            pa.field("thread", text, nullable=False),
            ("source", text),  # path as given
            ("source_sha256", text),
            ("title", text),
            ("article", text),
            ("blurb", text),
            pa.field("posts", pa.int32(), nullable=False),
            ("gaps", pa.list_(text)),  # post numbers that the source skips
            ("warnings", pa.list_(text)),
            ("layout", text),  # how it was read: family and layout or platform
            ("confidence", pa.float64()),  # 0 to 1, of that reading
        ]
    )


def rejects_schema() -> pa.Schema:
    """The columns of ``rejects/``, as ``Rejected``."""
    import pyarrow as pa

    return pa.schema([pa.field(name, pa.string(), nullable=False) for name in Rejected.__slots__])


def _tag_threads(threads: Sequence[Thread], settings: Settings, tagger: CachedTagger) -> tuple[pa.Table, pa.Table]:
    """The rows of all posts and articles, and the row of each thread."""
    import pyarrow as pa

    from stance.table import build_tables, make_manifest
    from stance.tag import tag_stream
    from stance.thread import link_posts

    linked = [link_posts(thread) for thread in threads]
    tagged = tag_stream(linked, settings.topic, tagger)
    rows = ((thread, tags, article) for thread, (tags, article) in zip(linked, tagged, strict=True))
    table = build_tables(rows, make_manifest(tagger, settings.topic))
    return table, pa.Table.from_pylist([_thread_row(thread) for thread in linked], schema=threads_schema())


def _thread_row(thread: Thread) -> dict[str, Any]:
    reading = thread.reading
    row = {
        "thread": thread.id,
        "source": thread.source,
        "source_sha256": thread.sha256,
        "title": thread.title,
        "article": thread.article,
        "blurb": thread.blurb,
        "posts": len(thread.posts),
        "gaps": [*thread.gaps],
        "warnings": [_encodable(warning) for warning in thread.warnings],
        "layout": None if reading is None else f"{reading.format}: {reading.layout}",
        "confidence": None if reading is None else reading.confidence,
    }
    return {name: _encodable(value) if isinstance(value, str) else value for name, value in row.items()}


def _tabulate_rejects(rejects: Sequence[Rejected]) -> pa.Table:
    import pyarrow as pa

    columns = {name: [_encodable(getattr(row, name)) for row in rejects] for name in Rejected.__slots__}
    return pa.table(columns, schema=rejects_schema())


def _encodable(text: str) -> str:
    """The text, each lone surrogate as a question mark, as in ``stance.table``: Arrow holds valid UTF-8 only."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _to_parquet(table: pa.Table) -> bytes:
    """In memory: what Arrow writes into a full disk itself is told of in many ways."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", row_group_size=65_536)
    return bytes(memoryview(sink.getvalue()))


def _write_manifest(shard: Shard, part: Part, sizes: dict[str, int], settings: Settings, tagger: CachedTagger) -> None:
    written = {
        "version": MANIFEST_VERSION,
        "fingerprint": settings.fingerprint,
        "unit": part.unit,
        "number": part.number,
        "last": part.last,
        "inputs": [{"path": str(item.path), "sha256": item.sha256} for item in part.inputs],
        "threads": shard.threads,
        "posts": shard.posts,
        "rejects": shard.rejects,
        "unreadable": [asdict(rejected) for rejected in shard.unreadable],
        "files": sizes,
        "tagger": {"name": tagger.name, "sha256": tagger.sha256, "precision": tagger.precision},
        "topic": settings.topic.name,
    }
    path = find_file(settings.output, "manifest", part.name)
    write_durably(path, (json.dumps(written, indent=1) + "\n").encode())
    keep_names(path.parent)


def _read_manifest(path: Path, settings: Settings) -> Shard | None:
    """The shard of a manifest; None where it is of other settings or its files are not as they were."""
    part = path.name.removesuffix(".json")
    try:
        read = json.loads(path.read_bytes())
        same = read["version"] == MANIFEST_VERSION and read["fingerprint"] == settings.fingerprint
        if not same or f"{read['unit']}-{read['number']:06}" != part:
            return None
        if not all(_is_whole(find_file(settings.output, kind, part), size) for kind, size in read["files"].items()):
            return None
        unreadable = tuple(Rejected(**row) for row in read["unreadable"])
        return Shard(part, read["number"], read["last"], read["threads"], read["posts"], read["rejects"], unreadable)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _is_whole(path: Path, size: int) -> bool:
    with path.open("rb") as file:
        file.seek(-len(FOOTER), 2)
        return file.read() == FOOTER and file.tell() == size
