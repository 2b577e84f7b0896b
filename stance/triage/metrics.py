"""How the queue does so far: by band, over all, and between moderators."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import nan

import numpy as np

from stance.triage.goals import Goal, Rate, measure_found, measure_precision, read_decided, read_goals
from stance.triage.severity import BANDS
from stance.triage.store import ACTED, ACTIONS

BREAK = timedelta(minutes=5)  # a longer gap between two decisions is no working time


@dataclass(frozen=True, slots=True)
class Moderator:
    """One moderator's standing decisions."""

    name: str
    decisions: int  # skipped posts left out
    skipped: int
    per_hour: float | None  # of working time; None for fewer than two decisions


@dataclass(frozen=True, slots=True)
class Metrics:
    """What is known of a queue."""

    items: int
    decided: int  # items with a decision
    skipped: int  # items that were skipped and that nobody decided
    actions: dict[str, int]  # standing decisions by ACTIONS
    undone: int
    precision: dict[str, Rate]  # by BANDS: the share that moderators acted on
    found: Rate  # share of all toxic posts that they acted on so far
    agreement: float | None  # Krippendorff's alpha, acted on or not; None where it cannot be told
    shared: int  # items that two or more decided
    moderators: tuple[Moderator, ...]
    goals: tuple[Goal, ...]


def measure_queue(store: sqlite3.Connection) -> Metrics:
    """All of it, from the standing decisions."""
    rows = store.execute("SELECT item, moderator, time, action FROM standing ORDER BY id").fetchall()
    given = [row for row in rows if row["action"] != "skip"]
    decided = read_decided(store)
    band = np.array(decided.band, str)
    items = {row["item"] for row in given}
    votes: dict[int, dict[str, bool]] = {}
    for row in given:
        votes.setdefault(row["item"], {})[row["moderator"]] = row["action"] in ACTED
    shared = [one for one in votes.values() if len(one) > 1]
    return Metrics(
        items=store.execute("SELECT COUNT(*) FROM items").fetchone()[0],
        decided=len(items),
        skipped=len({row["item"] for row in rows} - items),
        actions={action: sum(row["action"] == action for row in rows) for action in ACTIONS},
        undone=store.execute("SELECT COUNT(*) FROM decisions WHERE action = 'undo'").fetchone()[0],
        precision={name: measure_precision(decided, band == name) for name in BANDS},
        found=measure_found(decided),
        agreement=measure_agreement(shared),
        shared=len(shared),
        moderators=tuple(_measure_moderator(name, rows) for name in sorted({row["moderator"] for row in rows})),
        goals=tuple(read_goals(store)),
    )


def measure_agreement(votes: Sequence[dict[str, bool]]) -> float | None:
    """Krippendorff's alpha of posts by what each moderator said; None where all said one thing, or none was shared."""
    if len({vote for one in votes for vote in one.values()}) < 2:
        return None
    import krippendorff

    names = sorted({name for one in votes for name in one})
    table = np.array([[float(one[name]) if name in one else nan for one in votes] for name in names])
    return float(krippendorff.alpha(reliability_data=table, level_of_measurement="nominal"))


def _measure_moderator(name: str, rows: Sequence[sqlite3.Row]) -> Moderator:
    own = [row for row in rows if row["moderator"] == name]
    times = sorted(datetime.fromisoformat(row["time"]) for row in own)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    worked = [gap for gap in gaps if gap <= BREAK]
    hours = sum(worked, timedelta()).total_seconds() / 3600
    skipped = sum(row["action"] == "skip" for row in own)
    return Moderator(name, len(own) - skipped, skipped, len(worked) / hours if hours > 0 else None)
