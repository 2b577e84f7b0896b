"""What moderators' decisions say of the queue: precision and recall with intervals, and thresholds for a goal.

A group of repeats counts once. Of a post that several decided the first decision counts. Audits stand for all the posts
that they were drawn from: everything here weighs a decision by one over its chance.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from stance.records import StanceError
from stance.triage.queue import AUDIT
from stance.triage.store import ACTED, change

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_LABELS = 20  # decisions over a threshold, under which its precision is not worth setting it by
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Rate:
    """A part from 0 to 1 with its interval; NaN where nothing is known."""

    value: float
    low: float
    high: float
    n: int  # decisions that it rests on


@dataclass(frozen=True, slots=True)
class Goal:
    """A threshold on severity that was asked for by its precision or recall."""

    kind: str  # "precision": from it a post is likely; "recall": from it a post is worth a review
    target: float  # 0 to 1
    cut: float | None  # severity; None: no threshold reaches it yet, the tagger's stand
    reached: Rate | None  # of the posts from the cut on
    posts: int  # in all tables that the cut would bring into the queue; repeats count once


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """Every group of the tables, decided or not: g of them."""

    severity: NDArray[np.float64]  # (g,), of the leader
    mention: NDArray[np.bool_]  # (g,)
    audit: NDArray[np.bool_]  # (g,), in the stratum that audits are drawn from
    chance: NDArray[np.float64]  # (g,), of being shown
    toxic: NDArray[np.float64]  # (g,): 1 acted on, 0 ignored, NaN not decided
    band: tuple[str, ...]  # at the time of the decision; "" where there is none


def read_decided(store: sqlite3.Connection, shown: bool = False) -> Decided:
    """What stands in the queue so far; ``shown``: of the posts that are shown alone, which is quick."""
    rows = store.execute(
        "SELECT posts.severity, posts.mention, posts.stratum, posts.chance, first.action, first.band FROM posts "
        "LEFT JOIN (SELECT item, MIN(id), action, band FROM standing WHERE action <> 'skip' GROUP BY item) AS first "
        "ON first.item = posts.item "
        "WHERE posts.place = 0 AND (posts.item IS NOT NULL OR NOT ?) ORDER BY posts.grp",
        (shown,),
    ).fetchall()
    return Decided(
        severity=np.array([row["severity"] for row in rows], float),
        mention=np.array([row["mention"] for row in rows], bool),
        audit=np.array([row["stratum"] == AUDIT for row in rows], bool),
        chance=np.array([row["chance"] for row in rows], float),
        toxic=np.array([np.nan if row["action"] is None else row["action"] in ACTED for row in rows], float),
        band=tuple(row["band"] or "" for row in rows),
    )


def measure_precision(decided: Decided, chosen: NDArray[np.bool_]) -> Rate:
    """The weighted share of the decided posts among ``chosen`` (g,) that were acted on.

    Clopper and Pearson's interval; where weights differ, at the effective sample size (Korn and Graubard 1998).
    """
    known = chosen & ~np.isnan(decided.toxic) & (decided.chance > 0)
    weights, toxic = 1 / decided.chance[known], decided.toxic[known]
    if not len(weights):
        return Rate(float("nan"), 0.0, 1.0, 0)
    share, size = float(weights @ toxic / weights.sum()), float(weights.sum() ** 2 / (weights**2).sum())
    return Rate(share, *binomial_interval(share * size, size), len(weights))


def measure_recall(decided: Decided, chosen: NDArray[np.bool_]) -> Rate:
    """The share of all toxic posts that lie among ``chosen`` (g,), toxic being what moderators act on.

    Decided posts are known; those of the audit's stratum follow from its draws; selected ones that nobody has decided
    may be either, and the interval spans both. Its ends take the worst of the two sides at 97.5% each (Bonferroni), so
    it holds at least what it says.
    """
    inside, outside = _count_toxic(decided, chosen), _count_toxic(decided, ~chosen)
    known = int((~np.isnan(decided.toxic)).sum())
    low = inside[1] / (inside[1] + outside[2]) if inside[1] else 0.0
    high = inside[2] / (inside[2] + outside[1]) if inside[2] else (1.0 if outside[1] == 0 else 0.0)
    total = inside[0] + outside[0]
    return Rate(inside[0] / total if total else float("nan"), low, high, known)


def measure_found(decided: Decided) -> Rate:
    """The share of all toxic posts that moderators have acted on so far."""
    known = ~np.isnan(decided.toxic)
    return measure_recall(decided, known) if known.any() else Rate(float("nan"), 0.0, 1.0, 0)


def find_goal(decided: Decided, kind: str, target: float) -> Goal:
    """The threshold that reaches a target: of precision the lowest, of recall the highest that does.

    By the estimate itself, over at least LEAST_LABELS decisions; the interval beside it says how sure that is.
    Posts whose hostile words are reported never become likely, so they do not count for precision.
    """
    if not 0 < target < 1:
        raise StanceError(f"a target of {target:g}: it lies between 0 and 1")
    known = ~np.isnan(decided.toxic)
    counts = ~decided.mention if kind == "precision" else np.ones(len(known), bool)
    candidates = np.unique(decided.severity[known & counts])  # from low to high
    if kind == "recall":
        candidates = candidates[::-1]
    for cut in candidates.tolist() if known.sum() >= LEAST_LABELS else ():
        over = counts & (decided.severity >= cut)
        rate = measure_precision(decided, over) if kind == "precision" else measure_recall(decided, over)
        if rate.n >= LEAST_LABELS and rate.value >= target:
            return Goal(kind, target, cut, rate, int(over.sum()))
    return Goal(kind, target, None, None, 0)


def set_goal(store: sqlite3.Connection, kind: str, target: float) -> Goal:
    """Find a goal's threshold on the decisions so far and put it in force."""
    goal = find_goal(read_decided(store), kind, target)
    with change(store):
        values = (datetime.now(UTC).isoformat(), kind, goal.cut, json.dumps(asdict(goal)))
        store.execute("INSERT INTO goals(time, kind, cut, goal) VALUES (?,?,?,?)", values)
    return goal


def read_goals(store: sqlite3.Connection) -> list[Goal]:
    """The goals in force, each kind once."""
    query = "SELECT goal FROM goals WHERE id IN (SELECT MAX(id) FROM goals GROUP BY kind) ORDER BY kind"
    found = [json.loads(row[0]) for row in store.execute(query)]
    return [Goal(**{**one, "reached": one["reached"] and Rate(**one["reached"])}) for one in found]


def describe_goal(goal: Goal) -> str:
    """In a line: the threshold, what it reaches and how many posts it brings."""
    if goal.cut is None or goal.reached is None:
        return (
            f"{goal.kind} {goal.target:.0%}: no threshold reaches it on at least {LEAST_LABELS} decisions yet, "
            "so the tagger's thresholds stand"
        )
    unsure = "" if goal.reached.low >= goal.target else "; the interval does not rule out less than asked"
    return (
        f"{goal.kind} {goal.target:.0%}: from severity {goal.cut:.2f} it is {describe_rate(goal.reached)} "
        f"on {goal.reached.n} decisions; {goal.posts} posts lie there{unsure}"
    )


def describe_rate(rate: Rate) -> str:
    """ "83% (61 to 95)"; "unknown" where nothing is known."""
    if np.isnan(rate.value):
        return "unknown"
    return f"{rate.value:.0%} ({rate.low * 100:.0f} to {rate.high * 100:.0f})"


def binomial_interval(count: float, n: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact interval of a share (Clopper and Pearson 1934); the counts need not be whole."""
    from scipy.stats import beta

    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, count, n - count + 1)) if count > 1e-9 else 0.0
    high = float(beta.ppf(1 - tail, count + 1, n - count)) if n - count > 1e-9 else 1.0
    return low, high


def _count_toxic(decided: Decided, chosen: NDArray[np.bool_]) -> tuple[float, float, float]:
    """How many of the ``chosen`` (g,) groups are toxic: the estimate, the least, the most."""
    known = ~np.isnan(decided.toxic)
    certain = float(decided.toxic[chosen & known].sum())
    open_selected = int((chosen & ~decided.audit & ~known).sum())
    rate = _mean(decided.toxic[known & ~decided.audit], 0.5)
    drawn, rest = decided.toxic[chosen & decided.audit & known], int((chosen & decided.audit & ~known).sum())
    low, high = binomial_interval(float(drawn.sum()), len(drawn), (1 + CONFIDENCE) / 2) if len(drawn) else (0.0, 1.0)
    among = len(drawn) + rest
    # Of a stratum the interval is for all of it, drawn posts included, which are certain themselves.
    least = max(low * among - drawn.sum(), 0.0) if rest else 0.0
    most = min(max(high * among - drawn.sum(), 0.0), rest)
    middle = rest * _mean(drawn, _mean(decided.toxic[known & decided.audit], rate))
    return certain + open_selected * rate + middle, certain + float(least), certain + open_selected + float(most)


def _mean(values: Sequence[float] | NDArray[np.float64], otherwise: float) -> float:
    return float(np.mean(values)) if len(values) else otherwise
