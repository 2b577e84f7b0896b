"""How far coders agree: Krippendorff's alpha for nominal labels, and the plain share of agreement beside it.

Krippendorff 2004, Content Analysis, 2nd ed., chapter 11. Over the posts that two or more coders labelled; the interval
comes from a bootstrap over posts, which are the units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stance.estimate import wilson_interval
from stance.estimate.judged import ANY
from stance.gold import RESAMPLES, SEED, Measured
from stance.gold.sampled import find_interval, printable
from stance.records import SENTIMENTS, STANCES, TOXICITY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stance.estimate.judged import Gold, GoldLabel

LEAST = 0.667  # under this no conclusion should rest on the labels (Krippendorff 2004, p. 241)
TENTATIVE = 0.8  # under this conclusions are tentative


@dataclass(frozen=True, slots=True)
class Agreement:
    """What coders agree on in one question."""

    name: str  # a side's name, "toxicity: insult", "sentiment"
    kind: str  # of stance.estimate.HEADS
    units: int  # posts that two or more coders answered
    coders: int  # most answers on one post
    alpha: Measured | None  # n: units; None where it is not defined
    agreement: Measured | None  # share of pairs of answers on one post that are the same
    note: str | None  # why there is no alpha, or a warning; one line


def measure_agreement(gold: Gold) -> list[Agreement]:
    """Every side, every attribute of toxicity (any first), sentiment; empty where no post has two coders' labels."""
    posts: dict[tuple[str, str], dict[str, GoldLabel]] = {}
    for label in gold.labels:
        posts.setdefault((label.thread, label.post), {})[label.coder] = label  # a coder's last word counts
    shared = [list(found.values()) for found in posts.values() if len(found) > 1]
    if not shared:
        return []
    return [
        _measure(name, kind, [[answer for answer in row if answer is not None] for row in rows], outcomes)
        for name, kind, rows, outcomes in _list_questions(gold, shared)
    ]


def nominal_alpha(counts: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(...): alpha with each unit taken ``weights`` (..., units) times; NaN where all answers are the same.

    counts (units, values): how many coders gave each value; every unit has two answers or more. This is the
    coincidence form of the package ``krippendorff``, for many resamples at once.
    """
    answers = counts.sum(1)
    apart = (answers**2 - (counts**2).sum(1)) / (answers - 1)
    totals = weights @ counts
    whole = totals.sum(-1)
    expected = whole**2 - (totals**2).sum(-1)
    defined = expected > 1e-9
    return np.asarray(np.where(defined, 1 - (whole - 1) * (weights @ apart) / np.where(defined, expected, 1), np.nan))


def agreement_warnings(found: Sequence[Agreement]) -> Iterator[str]:
    """One line a question: too little agreement to draw conclusions; of sides and sentiment also that none is known.

    Attributes of toxicity are often too rare for any coder to use; their own rows say so.
    """
    for one in found:
        if one.note is not None and (one.alpha is not None or one.kind != "toxicity"):
            yield f"{printable(one.name)}: {one.note}"


def _list_questions(
    gold: Gold, shared: Sequence[Sequence[GoldLabel]]
) -> Iterator[tuple[str, str, list[list[str | bool | None]], tuple[str | bool, ...]]]:
    """Name, kind, the answers of each shared post, and the possible answers."""
    for place, side in enumerate(gold.sides):
        yield side, "stance", [[label.stance[place] for label in labels] for labels in shared], STANCES
    some = [[_any_toxic(label) for label in labels] for labels in shared]
    yield f"toxicity: {ANY}", "toxicity", some, (True, False)
    for place, attribute in enumerate(TOXICITY):
        rows: list[list[str | bool | None]] = [[label.toxicity[place] for label in labels] for labels in shared]
        yield f"toxicity: {attribute.replace('_', ' ')}", "toxicity", rows, (True, False)
    yield "sentiment", "sentiment", [[label.sentiment for label in labels] for labels in shared], SENTIMENTS


def _any_toxic(label: GoldLabel) -> str | bool | None:
    known = [value for value in label.toxicity if value is not None]
    return any(known) if known else None


def _measure(name: str, kind: str, rows: Sequence[Sequence[str | bool]], outcomes: Sequence[str | bool]) -> Agreement:
    rows = [row for row in rows if len(row) > 1]
    units, coders = len(rows), max((len(row) for row in rows), default=0)
    if not rows:
        return Agreement(name, kind, 0, 0, None, None, "no post with the answers of two coders")
    counts = np.array([[row.count(outcome) for outcome in outcomes] for row in rows], float)
    draws = np.random.default_rng(SEED).multinomial(units, np.full(units, 1 / units), size=RESAMPLES).astype(float)
    agreement = _measure_agreement(counts, draws)
    alpha = _measure_alpha(counts, draws, agreement)
    return Agreement(name, kind, units, coders, alpha, agreement, _find_note(kind, alpha))


def _measure_agreement(counts: NDArray[np.float64], draws: NDArray[np.float64]) -> Measured:
    units, answers = len(counts), counts.sum(1)
    same = ((counts**2).sum(1) - answers) / (answers * (answers - 1))  # of ordered pairs of answers
    value = float(same.mean())
    low, high = find_interval(draws @ same / units)
    if value in (0.0, 1.0):  # all resamples are the same
        low, high = wilson_interval(round(value * units), units)
    return Measured(value, min(low, value), max(high, value), units)


def _measure_alpha(counts: NDArray[np.float64], draws: NDArray[np.float64], agreement: Measured) -> Measured | None:
    """None where it is not defined; where coders agree on all, its low end is that of the plain agreement."""
    if (counts.sum(0) > 0).sum() < 2:
        return None
    import krippendorff

    value = float(krippendorff.alpha(value_counts=counts.astype(int), level_of_measurement="nominal"))
    low, high = find_interval(nominal_alpha(counts, draws))
    if agreement.value == 1.0:
        chance = 1 - float(((counts.sum(0) / counts.sum()) ** 2).sum())
        low, high = max(1 - (1 - agreement.low) / chance, -1.0), 1.0
    return Measured(value, min(low, value), max(high, value), len(counts))


def _find_note(kind: str, alpha: Measured | None) -> str | None:
    if alpha is None:
        return "alpha is not defined: all answers are the same label"
    if alpha.value >= LEAST:
        return f"alpha {alpha.value:.2f}: tentative conclusions only" if alpha.value < TENTATIVE else None
    what = "this side's labels" if kind == "stance" else "these labels"
    return f"alpha {alpha.value:.2f} is under {LEAST}: do not draw conclusions from {what} (Krippendorff 2004)"
