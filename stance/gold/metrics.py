"""Precision, recall, F1 and confusion of the tagger's labels against people's, and whether sides are treated alike.

Figures stand for all posts drawn from, not for the sample (``stance.gold.sampled``).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from stance.estimate import ABSTAINED
from stance.estimate.judged import ABSTAINED_CODE
from stance.gold import Measured
from stance.gold.sampled import find_interval, measure_ratio, ratio, resample_weights, weigh_posts
from stance.records import STANCES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from stance.gold.sampled import Head, Sampled

ALL_SIDES = "all sides"
FEWEST = 10  # labelled posts under which a rate toward a side is not compared: its interval spans nearly everything
_QUIET = {"stance": "none", "toxicity": "not toxic", "sentiment": "neutral"}  # naming anything else is the alarm


@dataclass(frozen=True, slots=True)
class LabelScore:
    """One label of a head; None where there is nothing to divide by."""

    label: str
    precision: Measured | None  # n: posts that the tagger labels so
    recall: Measured | None  # n: posts that people label so; abstaining is a miss
    f1: Measured | None


@dataclass(frozen=True, slots=True)
class HeadScore:
    """One head's labels against people's, over the posts that both speak of."""

    name: str  # as Head, or ALL_SIDES
    n: int  # posts, of ALL_SIDES posts times sides
    labels: tuple[LabelScore, ...]
    macro_f1: Measured | None  # over the labels that people or the tagger use; None for toxicity
    accuracy: Measured | None  # abstaining counts as wrong
    coverage: Measured | None  # share of posts that get a label; None for toxicity
    false_alarms: Measured | None  # of posts that people call none, not toxic or neutral: share labelled otherwise
    rows: tuple[str, ...]  # people's labels
    columns: tuple[str, ...]  # the tagger's, "abstained" last
    confusion: tuple[tuple[int, ...], ...]  # labelled posts
    weighted: tuple[tuple[float, ...], ...]  # the same as estimated shares of all posts, sum 1


@dataclass(frozen=True, slots=True)
class Gap:
    """How far a rate toward one side lies over the rate toward another, on the same posts."""

    measure: str  # "recall of favor", "precision of against", "false alarms"
    first: str  # side
    second: str
    difference: Measured  # first less second; n: posts of the smaller of the two
    apart: bool  # whether the interval leaves out 0


@dataclass(frozen=True, slots=True, eq=False)
class _Counted:
    """A head as counts of each of the m posts; of several heads their sum."""

    name: str
    kind: str
    outcomes: tuple[str, ...]
    cells: NDArray[np.float64]  # (m, outcomes, outcomes + 1): people's label, the tagger's, abstained last
    weight: NDArray[np.float64]  # (m,)
    draws: NDArray[np.float64]  # (RESAMPLES, m)


def score_heads(sampled: Sampled) -> list[HeadScore]:
    """Every side, all sides together where there are several, every attribute of toxicity, sentiment."""
    counted = _count_heads(sampled)
    sides = [one for one in counted if one.kind == "stance"]
    scores = [_score_head(one) for one in sides]
    if len(sides) > 1:
        scores.append(_score_head(_join_sides(sampled, sides)))
    return [*scores, *(_score_head(one) for one in counted if one.kind != "stance")]


def audit_sides(sampled: Sampled) -> list[Gap]:
    """Differences of recall, precision and false alarms between any two sides, by one bootstrap for both.

    Rates with fewer than FEWEST posts on a side are left out.
    """
    sides = [one for one in _count_heads(sampled) if one.kind == "stance"]
    gaps = []
    for first, second in combinations(sides, 2):
        for measure, (one, other) in zip(
            _rates(first), zip(_rates(first).values(), _rates(second).values(), strict=True), strict=True
        ):
            n = min(int((one[1] > 0).sum()), int((other[1] > 0).sum()))
            if n < FEWEST:
                continue
            resampled = ratio(first.draws, *one) - ratio(second.draws, *other)
            value = float(ratio(first.weight, *one) - ratio(second.weight, *other))
            low, high = find_interval(resampled)
            difference = Measured(value, min(low, value), max(high, value), n)
            gaps.append(Gap(measure, first.name, second.name, difference, not difference.low <= 0 <= difference.high))
    return gaps


def _count_heads(sampled: Sampled) -> list[_Counted]:
    return [_count(sampled, head) for head in sampled.heads if head.known.any()]


def _count(sampled: Sampled, head: Head) -> _Counted:
    known = head.known
    cells = np.zeros((len(known), len(head.outcomes), len(head.outcomes) + 1))
    given = np.where(head.given == ABSTAINED_CODE, len(head.outcomes), head.given)
    places = np.flatnonzero(known)
    cells[places, head.truth[places], given[places]] = 1
    weight, draws = weigh_posts(sampled, known), resample_weights(sampled, known)
    return _Counted(head.name, head.kind, head.outcomes, cells, weight, draws)


def _join_sides(sampled: Sampled, sides: Sequence[_Counted]) -> _Counted:
    """The sides' counts post by post: posts are resampled whole, for the sides of one post are not independent."""
    cells = np.sum([one.cells for one in sides], axis=0)
    known = cells.any((1, 2))
    weight, draws = weigh_posts(sampled, known), resample_weights(sampled, known)
    return _Counted(ALL_SIDES, "stance", STANCES, cells, weight, draws)


def _score_head(one: _Counted) -> HeadScore:
    cells, outcomes = one.cells, one.outcomes
    used = [place for place in range(len(outcomes)) if cells[:, place].any() or cells[:, :, place].any()]
    binary = one.kind == "toxicity"
    named = np.trace(cells[:, :, : len(outcomes)], axis1=1, axis2=2)
    everything = cells.sum((1, 2))
    answered = everything - cells[:, :, -1].sum(1)
    totals = cells.sum(0)
    weighted = np.tensordot(one.weight, cells, axes=1)
    return HeadScore(
        name=one.name,
        n=int(everything.sum()),
        labels=tuple(_score_label(one, place) for place in ([0] if binary else range(len(outcomes)))),
        macro_f1=None if binary else _macro_f1(one, used),
        accuracy=measure_ratio(one.weight, one.draws, named, everything),
        coverage=None if binary else measure_ratio(one.weight, one.draws, answered, everything),
        false_alarms=measure_ratio(one.weight, one.draws, *_rates(one)["false alarms"]),
        rows=outcomes,
        columns=(*outcomes, ABSTAINED),
        confusion=tuple(tuple(int(count) for count in row) for row in totals),
        weighted=tuple(tuple(float(share) for share in row) for row in weighted / weighted.sum()),
    )


def _score_label(one: _Counted, place: int) -> LabelScore:
    hits = one.cells[:, place, place]
    wanted, given = one.cells[:, place].sum(1), one.cells[:, :, place].sum(1)
    return LabelScore(
        label=one.outcomes[place],
        precision=measure_ratio(one.weight, one.draws, hits, given),
        recall=measure_ratio(one.weight, one.draws, hits, wanted),
        f1=measure_ratio(one.weight, one.draws, 2 * hits, wanted + given),
    )


def _macro_f1(one: _Counted, used: Sequence[int]) -> Measured:
    """Mean of F1 over the labels that occur, as scikit-learn counts them; a resample without one gives it 0."""

    def mean(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        each = []
        for place in used:
            both = one.cells[:, place].sum(1) + one.cells[:, :, place].sum(1)
            each.append(np.nan_to_num(ratio(weights, 2 * one.cells[:, place, place], both)))
        return np.asarray(np.mean(each, axis=0))

    value = float(mean(one.weight))
    low, high = find_interval(mean(one.draws))
    return Measured(value, min(low, value), max(high, value), int(one.cells.any((1, 2)).sum()))


def _rates(one: _Counted) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Name of a rate -> (m,) what is counted and (m,) what of: recalls, precisions, false alarms."""
    rates = {}
    quiet = one.outcomes.index(_QUIET[one.kind])
    loud = [place for place in range(len(one.outcomes)) if place != quiet]
    for place in loud:
        rates[f"recall of {one.outcomes[place]}"] = (one.cells[:, place, place], one.cells[:, place].sum(1))
    for place in loud:
        rates[f"precision of {one.outcomes[place]}"] = (one.cells[:, place, place], one.cells[:, :, place].sum(1))
    rates["false alarms"] = (one.cells[:, quiet][:, loud].sum(1), one.cells[:, quiet].sum(1))
    return rates


def list_measured(score: HeadScore) -> Iterator[tuple[str, Measured]]:
    """The measures of a whole head that there are, by name."""
    for name in ("macro_f1", "accuracy", "coverage", "false_alarms"):
        measured = getattr(score, name)
        if measured is not None:
            yield name.replace("_", " ").replace("f1", "F1"), measured
