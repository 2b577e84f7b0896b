"""What is left of a run and what came of it: the same for every engine."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stance.run.parts import Part, read_parts
from stance.run.plan import Settings, Unit
from stance.run.shards import Shard, find_done


@dataclass(frozen=True, slots=True)
class News:
    """What a run tells while it goes on."""

    posts: int = 0  # tagged since the last news
    share: float | None = None  # 0 to 1: of the inputs' bytes, so much is done with
    line: str | None = None  # what went wrong


Report = Callable[[News], None]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run came to. Threads, posts and rejects are those of all shards, made now or before."""

    made: int = 0  # shards
    kept: int = 0  # shards that were there already
    failed: int = 0  # shards that could not be made
    removed: int = 0  # shards of inputs that have changed or are not named any more
    unreadable: int = 0  # inputs
    threads: int = 0
    posts: int = 0
    rejects: int = 0
    fresh_posts: int = 0  # of the shards made now
    texts: int = 0  # of the shards made now, articles included
    cached: int = 0  # of those, known before or the same as another
    parts: frozenset[str] = frozenset()  # names of the shards that stand


@dataclass(slots=True)
class Work:
    """The shards still to be made, one after the other, and the count of what stands."""

    units: Sequence[Unit]
    settings: Settings
    report: Report
    _parts: set[str] = field(default_factory=set)  # that stand, made now or before
    _counts: Counter[str] = field(default_factory=Counter)  # as in Summary
    _shares: dict[str, float | None] = field(default_factory=dict)  # by part under way: News.share once it is made
    _spans: dict[str, tuple[float, float]] = field(default_factory=dict)  # by unit: where it begins, its size; of 1
    _notes: set[str] = field(default_factory=set)

    def list_open(self) -> Iterator[tuple[Unit, frozenset[str]]]:
        """The units that are not done, each with those of its parts that stand already."""
        done = find_done(self.units, self.settings)
        by_unit: dict[str, list[Shard]] = {}
        for shard in done.values():
            self._count(shard)
            by_unit.setdefault(shard.part.partition("-")[0], []).append(shard)
        self._counts["kept"] = len(done)
        total, before = sum(unit.size for unit in self.units) or 1, 0
        for unit in self.units:
            shards = by_unit.get(unit.key, [])
            self._spans[unit.key] = (before / total, unit.size / total)
            if not any(shard.last and shard.number + 1 == len(shards) for shard in shards):
                yield unit, frozenset(shard.part for shard in shards)
            before += unit.size
            self.report(News(share=None if self._shares else before / total))

    def read_parts(self) -> Iterator[Part]:
        """The parts to be made. Units that are done are not read again; parts that are done are left out."""
        for unit, standing in self.list_open():
            for part in read_parts(unit, self.settings):
                if part.name not in standing:
                    self.expect(part.name, measure_place(part, unit))
                    yield part

    def expect(self, part: str, place: float | None) -> None:
        """A part is under way; once it is made, so much of its unit (0 to 1) is."""
        before, size = self._spans[part.partition("-")[0]]
        self._shares[part] = None if place is None else before + place * size

    def add(self, shard: Shard) -> None:
        """Count a shard that was made."""
        self._count(shard)
        self._counts.update(made=1, fresh_posts=shard.posts, texts=shard.texts, cached=shard.cached)
        self.report(News(share=self._shares.pop(shard.part, None)))
        if shard.note is not None and shard.note not in self._notes:
            self._notes.add(shard.note)
            self.report(News(line=shard.note))

    def fail(self, part: str, reason: str) -> None:
        """Count a part that could not be made."""
        self._counts["failed"] += 1
        self.report(News(share=self._shares.pop(part, None), line=reason))

    def sum_up(self) -> Summary:
        return Summary(**self._counts, parts=frozenset(self._parts))

    def _count(self, shard: Shard) -> None:
        self._parts.add(shard.part)
        self._counts.update(threads=shard.threads, posts=shard.posts, rejects=shard.rejects)
        self._counts["unreadable"] += len(shard.unreadable)
        for rejected in shard.unreadable:
            self.report(News(line=f"{rejected.source}: {rejected.reason}"))


def measure_place(part: Part, unit: Unit) -> float | None:
    """How much of the unit's bytes is read when this part is, 0 to 1; to be asked by the process that reads it.

    None where nothing tells (a dump that is sorted first).
    """
    if part.last:
        return 1.0
    before = 0
    for item in unit.inputs:
        if item == part.inputs[-1]:
            place = _read_so_far(item.path)
            return None if place is None or place >= item.size else (before + place) / unit.size
        before += item.size
    return None


def _read_so_far(path: Path) -> int | None:
    """How far this process has read in a file that it has open; None where the system does not show it."""
    shown = Path("/proc/self/fd")
    try:
        name = str(path.resolve())
        for handle in shown.iterdir():
            if os.path.realpath(handle) == name:
                fields = Path("/proc/self/fdinfo", handle.name).read_text().split()
                return int(fields[fields.index("pos:") + 1])
    except (OSError, ValueError):
        pass
    return None
