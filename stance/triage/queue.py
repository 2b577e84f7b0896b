"""The queue: which posts a moderator is shown, in which order, and how likely each was to be chosen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from stance.records import Post, Quote, StanceError
from stance.table import read_manifest
from stance.triage.repeats import group_repeats
from stance.triage.severity import Scored, score_table
from stance.triage.view import Surroundings, view_item

if TYPE_CHECKING:
    import pyarrow as pa

SELECTED, AUDIT = "selected", "audit"  # strata: chosen by severity with certainty, or at random from all others
AUDIT_MOST = 0.2  # of the capacity that audits may take


@dataclass(frozen=True, slots=True)
class Plan:
    """How a queue is made."""

    capacity: int = 50  # posts that are shown, audits among them; repeats of a post count once
    audit: float = 0.05  # share of the posts not selected that is drawn at random, within AUDIT_MOST of the capacity
    second: float = 0.0  # share of the queue that two moderators are asked about, each alone
    seed: int = 1

    def __post_init__(self) -> None:
        if self.capacity < 1 or not 0 <= self.audit < 1 or not 0 <= self.second <= 1:
            raise StanceError("a capacity from 1, an audit share under 1 and a second share up to 1: change the flags")


@dataclass(frozen=True, slots=True)
class Group:
    """A post and its repeats: one decision."""

    members: tuple[Scored, ...]  # the gravest first
    sha256: str  # of the table of the first
    stratum: str  # SELECTED or AUDIT
    chance: float  # of its being shown, over 0 to 1

    @property
    def lead(self) -> Scored:
        return self.members[0]


@dataclass(frozen=True, slots=True)
class Item:
    """A group that is shown."""

    group: Group
    order: float  # higher is shown sooner
    moderators: int  # how many are asked
    view: Mapping[str, Any]  # what the page shows, see ``view.view_item``


@dataclass(frozen=True, slots=True)
class Queue:
    """What is to be decided, and everything that it was chosen from."""

    items: tuple[Item, ...]  # in order
    groups: tuple[Group, ...]  # all, the gravest first
    tables: Mapping[str, pa.Table]  # by sha256, without those that gave nothing


def build_queue(
    tables: Mapping[str, tuple[Path, pa.Table]],
    plan: Plan,
    known: Collection[str] = (),
    note: Callable[[str], None] = lambda _: None,
) -> Queue:
    """The queue of some tables, by the sha256 of their files. The same tables and plan give the same queue.

    The gravest groups are selected for certain; the audit is a simple random sample of all others without replacement,
    each with the same stored chance, and stands at random places between the selected ones. Threads in ``known`` are
    left out. ``note`` hears of everything that is left out.
    """
    places: list[tuple[str, Scored]] = []
    around: dict[str, Surroundings] = {}
    taken = set(known)
    for sha256, (path, table) in tables.items():
        found = _new_posts(path, table, taken, note)
        if found:
            around[sha256] = Surroundings(table, read_manifest(table))
            places += [(sha256, scored) for scored in found]
            taken |= {scored.thread for scored in found}
    places.sort(key=lambda place: -place[1].severity)  # stable: of equal severity, the order of the tables stays
    numbers = _group(places, around)
    audits = count_audits(len(numbers), plan)
    selected = min(plan.capacity - audits, len(numbers))
    rest = range(selected, len(numbers))
    generator = Random(plan.seed)
    drawn = sorted(generator.sample(rest, audits))
    chance = audits / len(rest) if rest else 0.0
    groups = [
        Group(
            members=tuple(places[number][1] for number in members),
            sha256=places[members[0]][0],
            stratum=SELECTED if place < selected else AUDIT,
            chance=1.0 if place < selected else chance,
        )
        for place, members in enumerate(numbers)
    ]
    shown = [*range(selected), *drawn]
    twice = set(generator.sample(shown, round(plan.second * len(shown))))
    items = []
    for place in shown:
        beside = place if place < selected else generator.randrange(selected)
        members = [(around[places[number][0]], places[number][1]) for number in numbers[place]]
        view = view_item(members[0][0], members)
        items.append(Item(groups[place], groups[beside].lead.severity, 1 + (place in twice), view))
    items.sort(key=lambda item: -item.order)
    return Queue(tuple(items), tuple(groups), {sha256: one.table for sha256, one in around.items()})


def _new_posts(path: Path, table: pa.Table, taken: Collection[str], note: Callable[[str], None]) -> list[Scored]:
    """The judged posts of the threads that are not in the queue yet."""
    scored = list(score_table(table))
    for thread in dict.fromkeys(one.thread for one in scored if one.thread in taken):
        note(f"{path}: the thread {thread} is in the queue from another table: left as it was")
    posts = sum(kind == "post" for kind in table.column("kind").to_pylist())
    if posts > len(scored):
        note(f"{path}: {posts - len(scored)} posts are not judged for toxicity and cannot be ranked")
    return [one for one in scored if one.thread not in taken]


def _group(places: Sequence[tuple[str, Scored]], around: Mapping[str, Surroundings]) -> list[list[int]]:
    """Groups of repeats as positions among ``places``, which are in order of severity."""
    texts, authors = [""] * len(places), [None] * len(places)
    for sha256, one in around.items():
        own = [(number, scored.row) for number, (owner, scored) in enumerate(places) if owner == sha256]
        picked = one.table.select(["body", "quotes", "author"]).take([row for _, row in own]).to_pylist()
        for (number, _), row in zip(own, picked, strict=True):
            quotes = tuple(Quote(quote["start"], quote["end"], None, "exact") for quote in row["quotes"] or ())
            texts[number] = Post("", row["body"], quotes=quotes).own_words
            authors[number] = row["author"]
    groups: dict[int, list[int]] = {}
    for number, leader in enumerate(group_repeats(texts, authors)):
        groups.setdefault(leader, []).append(number)
    return [groups[leader] for leader in sorted(groups)]


def count_audits(groups: int, plan: Plan) -> int:
    """How many of ``groups`` are drawn at random: none where the capacity takes in all."""
    if groups <= plan.capacity or plan.audit == 0 or plan.capacity == 1:
        return 0
    most = max(1, int(plan.capacity * AUDIT_MOST))
    return min(max(1, round(plan.audit * (groups - plan.capacity))), most)
