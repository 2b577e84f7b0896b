"""A unit's inputs to parts: loose threads of one shard each, and the records that were left out."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace

from stance.read import read_threads
from stance.read.source import decode_name
from stance.records import StanceError, Thread
from stance.run.plan import Input, Settings, Unit
from stance.table import is_table

MOST_REJECTS = 100_000  # of a part that are listed
LONG_POST = 4000  # characters: more of them count as further posts, so that a part's memory is bounded


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that is not in the tables, or an input that is not."""

    source: str  # path as given
    position: str  # "line 17", "record 3"; "": the input itself, or the rest of it
    reason: str  # one line


@dataclass(frozen=True, slots=True)
class Part:
    """What one shard is made of."""

    unit: str  # its key
    number: int  # in the unit, from 0
    threads: tuple[Thread, ...]  # loose: `write_part` links their posts
    rejects: tuple[Rejected, ...]
    inputs: tuple[Input, ...]  # that they come from
    last: bool  # of the unit

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.unit}-{self.number:06}"


@dataclass(slots=True)
class _Gathered:
    """What the next part is made of so far."""

    threads: list[Thread] = field(default_factory=list)
    rejects: list[Rejected] = field(default_factory=list)
    inputs: dict[Input, None] = field(default_factory=dict)
    posts: int = 0
    unlisted: int = 0

    def hear(self, item: Input, position: str, reason: str) -> None:
        self.inputs[item] = None
        if len(self.rejects) < MOST_REJECTS:
            self.rejects.append(Rejected(decode_name(str(item.path)), position, " ".join(reason.split())))
        else:
            self.unlisted += 1

    def add(self, item: Input, thread: Thread) -> None:
        self.inputs[item] = None
        self.threads.append(thread)
        self.posts += max(1, len(thread.posts), sum(len(post.body) for post in thread.posts) // LONG_POST)

    def make_part(self, unit: Unit, number: int, last: bool) -> Part:
        rejects = list(self.rejects)
        if self.unlisted:
            rejects.append(Rejected(rejects[-1].source, "after", f"{self.unlisted} further records, not listed"))
        return Part(unit.key, number, tuple(self.threads), tuple(rejects), tuple(self.inputs), last)


def read_parts(unit: Unit, settings: Settings) -> Iterator[Part]:
    """The parts of a unit, cut after the thread with which a shard is full; a thread is never divided.

    An input that cannot be read, or not to its end, is one of the last part's rejects, and the next one follows.
    """
    gathered, number = _Gathered(), 0

    def hear(item: Input, position: str, reason: str) -> None:
        gathered.hear(item, position, reason)

    for item, thread in _read_inputs(unit, settings, hear):
        if gathered.posts >= settings.shard_size:
            yield gathered.make_part(unit, number, last=False)
            gathered, number = _Gathered(), number + 1
        gathered.add(item, thread)
    yield gathered.make_part(unit, number, last=True)


def _read_inputs(
    unit: Unit, settings: Settings, hear: Callable[[Input, str, str], None]
) -> Iterator[tuple[Input, Thread]]:
    for item in unit.inputs:
        try:
            for thread in _name_threads(_read_input(item, settings, hear), item):
                yield item, thread
        except StanceError as error:
            hear(item, "", str(error).removeprefix(f"{item.path}: "))
        except Exception as error:  # a night's run must not end with one odd file
            hear(item, "", f"the reader broke off ({type(error).__name__}: {error}): please report this")


def _read_input(item: Input, settings: Settings, hear: Callable[[Input, str, str], None]) -> Iterator[Thread]:
    if settings.options.format is None and is_table(item.path):
        raise StanceError("a table of this program: pass what it was made from")
    options = replace(settings.options, reject=lambda found: hear(item, found.position, found.reason))
    for thread in read_threads(item.path, options):
        if thread.sha256 not in (None, item.sha256):
            raise StanceError("it changed after the run had begun: run it again")
        reading = None if thread.reading is None else replace(thread.reading, spans=())
        yield replace(thread, reading=reading)


def _name_threads(threads: Iterable[Thread], item: Input) -> Iterator[Thread]:
    """The threads with ids that no other thread of the run has.

    The ids seen so far are in a file without a name, since there may be more of them than memory holds.
    """
    stem = decode_name(item.path.stem)
    with closing(sqlite3.connect("", isolation_level=None)) as seen:
        seen.execute("pragma journal_mode = off")
        seen.execute("create table seen (id blob primary key, times integer) without rowid")
        for thread in threads:
            name = item.name if thread.id == stem else item.prefix + thread.id.removeprefix(stem)
            while (times := _count(seen, name)) > 1:
                name = f"{name}-{times}"
            yield replace(thread, id=name)


def _count(seen: sqlite3.Connection, name: str) -> int:
    """How often this name came up, this time included."""
    key = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    command = "insert into seen values (?, 1) on conflict do update set times = times + 1 returning times"
    return int(seen.execute(command, (key,)).fetchone()[0])
