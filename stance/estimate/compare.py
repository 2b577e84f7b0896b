"""Comparison of threads: differences of shares with intervals, tests and sizes.

Two questions have two tests, and neither answers the other:

- "Do these threads, as they are, differ?" The threads are closed finite sets and people label random samples of them,
  so the difference of the corrected shares has a known error, whoever wrote the posts: that posts of one author are
  alike does not matter. This needs gold.
- "Would other people of the same kind show it?" Here people are moved between threads (``stance.estimate.people``).
  This works on the tagger's labels, so that it says nothing of the tagger's mistakes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from math import asin, exp, inf, isfinite, log, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from stance.estimate import CONFIDENCE, CORRECTED, GOLD_ONLY, IN_FULL, PREDICTED, Share, estimate_share
from stance.estimate.members import quantities_of
from stance.estimate.people import build_blocks, leave_out, permute_people

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stance.estimate.judged import Quantity
    from stance.estimate.members import Member
    from stance.estimate.people import Blocks, Influence

LEAST_POSTS = 30  # judged posts of a thread: with fewer there is no p value and no rank
LEAST_LABELS = 30  # hand labels of a thread: with fewer a corrected difference has neither
MOST_PAIRED = 6  # threads: every pair is compared; of more, each thread with all the others together
MOST_INFLUENCES = 5  # authors a comparison and quantity
_DEVIATE = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


@dataclass(frozen=True, slots=True)
class Difference:
    """A quantity's share in one thread less that in another, or in all the others together."""

    first: int  # place among the members
    second: int | None  # None: all the others together
    quantity: int  # place among the quantities
    shares: tuple[Share, Share]  # that it is made of
    difference: float  # -1 to 1
    low: float
    high: float
    basis: str  # as ``Share.basis``; predicted where one of the two is
    short: str  # why it has no rank and no p: too little data; "": there is enough
    cohen_h: float  # difference of the shares' arcsines: .2 is small, .5 medium, .8 large (Cohen 1988)
    odds: tuple[float, float, float] | None  # odds ratio with its interval; None where a share is 0 or 1
    p: float | None  # of the threads as they are; None where it is not validated, too short, or labelled in full
    adjusted: float | None  # the same by Holm over the comparisons of the quantity
    people_p: float | None  # of other people of the same kind, on predicted labels
    people_adjusted: float | None  # of pairs by Holm, else by the largest statistic


@dataclass(frozen=True, slots=True)
class Driver:
    """What leaving out one author does to a comparison."""

    first: int
    second: int | None
    influence: Influence


@dataclass(frozen=True, slots=True)
class Comparison:
    """All differences between k threads."""

    members: tuple[Member, ...]
    quantities: tuple[Quantity, ...]
    differences: tuple[Difference, ...]  # by quantity, then in the order of the members
    drivers: tuple[Driver, ...]
    permutations: int
    seed: int

    @property
    def paired(self) -> bool:
        """Whether every pair is compared, not each thread with the others together."""
        return len(self.members) <= MOST_PAIRED


def compare_members(
    members: Sequence[Member],
    permutations: int,
    seed: int = 0,
    toxic_authors: bool = False,
) -> Comparison:
    """Compare two threads or more, all with the same sides.

    ``toxic_authors`` also lists who drives differences in toxicity.
    """
    quantities = quantities_of(members)
    named = [place for place, one in enumerate(quantities) if toxic_authors or one.head != "toxicity"]
    long = np.array([member.judged >= LEAST_POSTS for member in members])
    differences: list[Difference] = []
    drivers: list[Driver] = []
    if len(members) <= MOST_PAIRED:
        for first, second in combinations(range(len(members)), 2):
            blocks = build_blocks([members[first], members[second]])
            tests = permute_people(blocks, long[[first, second]] & long[[first, second]].all(), permutations, seed)
            for place in range(len(quantities)):
                pair = _pick_shares(members[first].shares[place], members[second].shares[place])
                if pair is not None:
                    made = subtract_shares(pair, (first, second, place), bool(long[[first, second]].all()))
                    differences.append(_add_tests(made, float(tests[0][0, place]), None))
            drivers += _list_drivers(blocks, (0, first, second), named)
        return _finish(members, quantities, differences, drivers, (permutations, seed))
    blocks = build_blocks(members)
    alone, together = permute_people(blocks, long, permutations, seed)
    for first, member in enumerate(members):
        for place in range(len(quantities)):
            others = [one.shares[place] for other, one in enumerate(members) if other != first]
            pair = _pick_shares(member.shares[place], _pool(others))
            if pair is not None:
                made = subtract_shares(pair, (first, None, place), bool(long[first]))
                differences.append(_add_tests(made, float(alone[first, place]), float(together[first, place])))
        drivers += _list_drivers(blocks, (first, first, None), named)
    return _finish(members, quantities, differences, drivers, (permutations, seed))


def subtract_shares(
    pair: tuple[Share, Share], places: tuple[int, int | None, int] = (0, 1, 0), long: bool = True
) -> Difference:
    """The difference of two shares on one footing, with its interval, size and p value.

    ``places`` are those of the two and of the quantity; ``long`` says whether the threads have LEAST_POSTS.
    """
    first, second = pair
    basis = _join_bases({first.basis, second.basis})
    difference = first.share - second.share
    low, high = newcombe_interval(first, second)
    deviation = None  # how many standard errors the difference is from none
    if basis == IN_FULL:
        low = high = difference
    elif basis == CORRECTED and first.error is not None and second.error is not None:
        error = sqrt(first.error**2 + second.error**2)
        low, high = difference - _DEVIATE * error, difference + _DEVIATE * error
        deviation = difference / error if error else None
    elif basis != PREDICTED:
        # the test that goes with the interval: it rejects at 5% just where the interval leaves out no difference
        reach = difference - low if difference > 0 else high - difference
        deviation = _DEVIATE * difference / reach if reach else None
    few = basis not in (PREDICTED, IN_FULL) and min(first.labelled, second.labelled) < LEAST_LABELS
    short = "" if long else f"fewer than {LEAST_POSTS} judged posts"
    short = short or (f"fewer than {LEAST_LABELS} hand labels" if few else "")
    return Difference(
        first=places[0],
        second=places[1],
        quantity=places[2],
        shares=pair,
        difference=difference,
        low=max(low, -1),
        high=min(high, 1),
        basis=basis,
        short=short,
        cohen_h=measure_h(first.share, second.share),
        odds=measure_odds(first, second),
        p=None if short or deviation is None else 2 * NormalDist().cdf(-abs(deviation)),
        adjusted=None,
        people_p=None,
        people_adjusted=None,
    )


def newcombe_interval(first: Share, second: Share) -> tuple[float, float]:
    """The interval of a difference from the intervals of its two shares.

    Newcombe, R. G. (1998). Interval estimation for the difference between independent proportions: comparison of
    eleven methods. Statistics in Medicine 17, 873-890. Method 10, there from Wilson's intervals; it takes others too.
    """
    difference = first.share - second.share
    down = sqrt((first.share - first.low) ** 2 + (second.high - second.share) ** 2)
    up = sqrt((first.high - first.share) ** 2 + (second.share - second.low) ** 2)
    return difference - down, difference + up


def adjust_holm(values: Sequence[float]) -> list[float]:
    """P values adjusted for how many there are, in their order: Holm (1979)."""
    order = sorted(range(len(values)), key=lambda place: values[place])
    adjusted, highest = [0.0] * len(values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = highest
    return adjusted


def measure_h(first: float, second: float) -> float:
    """Cohen's h of two shares, 0 to 1 each."""
    low, high = (2 * asin(sqrt(min(max(share, 0), 1))) for share in (second, first))
    return high - low


def measure_odds(first: Share, second: Share) -> tuple[float, float, float] | None:
    """The odds ratio of two shares with its interval; None where a share is 0 or 1.

    Of predicted shares from counts, by Woolf's logarithms; of validated ones from their own intervals on the scale of
    log-odds, as in Newcombe's interval of a difference.
    """
    if not (0 < first.share < 1 and 0 < second.share < 1):
        return None
    point = _logit(first.share) - _logit(second.share)
    if first.basis == second.basis == PREDICTED:
        cells = (first.count, first.n - first.count, second.count, second.n - second.count)
        reach = _DEVIATE * sqrt(sum(1 / cell for cell in cells))
        return exp(point), exp(point - reach), exp(point + reach)
    down = sqrt(_odds_gap(first.share, first.low) ** 2 + _odds_gap(second.share, second.high) ** 2)
    up = sqrt(_odds_gap(first.share, first.high) ** 2 + _odds_gap(second.share, second.low) ** 2)
    return exp(point), exp(point - down), exp(point + up) if isfinite(up) else inf


def _pick_shares(first: Share | None, second: Share | None) -> tuple[Share, Share] | None:
    """Two shares on one footing: as they are where both are validated, else both as predicted."""
    if first is None or second is None:
        return None
    if PREDICTED in (first.basis, second.basis):
        return estimate_share(first.count, first.n), estimate_share(second.count, second.n)
    return first, second


def _pool(shares: Sequence[Share | None]) -> Share | None:
    """The share of several threads' posts together; validated where each of them is.

    Samples of different threads are independent, so variances add; where a share has an interval only, its reach
    takes the place of its error (Zou, Huang and Zhang 2009).
    """
    known = [share for share in shares if share is not None]
    if not known:
        return None
    count, n = sum(share.count for share in known), sum(share.n for share in known)
    bases = {share.basis for share in known}
    if PREDICTED in bases:
        return estimate_share(count, n)
    parts = [(share, share.n / n) for share in known]
    share = sum(weight * one.share for one, weight in parts)
    down, up = (
        sqrt(sum((weight * (one.share - end)) ** 2 for one, weight, end in ends))
        for ends in (
            [(one, weight, one.low) for one, weight in parts],
            [(one, weight, one.high) for one, weight in parts],
        )
    )
    errors = [None if one.error is None else weight * one.error for one, weight in parts]
    known_errors = [error for error in errors if error is not None]
    return Share(
        count=count,
        n=n,
        share=share,
        low=max(share - down, 0),
        high=min(share + up, 1),
        basis=_join_bases(bases),
        labelled=sum(one.labelled for one in known),
        positives=sum(one.positives for one in known),
        error=sqrt(sum(error**2 for error in known_errors)) if len(known_errors) == len(errors) else None,
    )


def _join_bases(bases: set[str]) -> str:
    if len(bases) == 1:
        return next(iter(bases))
    if PREDICTED in bases:
        return PREDICTED
    return GOLD_ONLY if GOLD_ONLY in bases else CORRECTED


def _add_tests(difference: Difference, alone: float, together: float | None) -> Difference:
    """The p values over people, NaN where there are none."""
    if not isfinite(alone):
        return difference
    return replace(difference, people_p=alone, people_adjusted=together)


def _finish(
    members: Sequence[Member],
    quantities: Sequence[Quantity],
    differences: Sequence[Difference],
    drivers: Sequence[Driver],
    drawn: tuple[int, int],
) -> Comparison:
    """Put differences in order of quantity, and adjust their p values within each."""
    ordered: list[Difference] = []
    for place in range(len(quantities)):
        lines = [one for one in differences if one.quantity == place]
        tested = [number for number, one in enumerate(lines) if one.p is not None]
        for number, value in zip(tested, adjust_holm([lines[number].p or 0.0 for number in tested]), strict=True):
            lines[number] = replace(lines[number], adjusted=value)
        moved = [n for n, one in enumerate(lines) if one.people_p is not None and one.people_adjusted is None]
        for number, value in zip(moved, adjust_holm([lines[number].people_p or 0.0 for number in moved]), strict=True):
            lines[number] = replace(lines[number], people_adjusted=value)
        ordered += lines
    return Comparison(tuple(members), tuple(quantities), tuple(ordered), tuple(drivers), *drawn)


def _list_drivers(blocks: Blocks, places: tuple[int, int, int | None], quantities: Sequence[int]) -> list[Driver]:
    """``places``: of the thread among those of the blocks, then what it and its counterpart are called."""
    thread, first, second = places
    return [Driver(first, second, one) for one in leave_out(blocks, thread, quantities, MOST_INFLUENCES)]


def _logit(share: float) -> float:
    return log(share / (1 - share))


def _odds_gap(share: float, end: float) -> float:
    """How far an interval reaches on the scale of log-odds."""
    return abs(_logit(share) - _logit(end)) if 0 < end < 1 else inf
