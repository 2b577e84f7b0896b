"""How many labels an interval of a wanted width needs, from how much people's labels vary around the tagger's."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING

import numpy as np

from stance.estimate import CORRECTED, GOLD_ONLY, IN_FULL
from stance.estimate.correct import LEAST_POSITIVES
from stance.estimate.intervals import DEVIATE, score_bounds
from stance.gold.sampled import group_strata, weigh_posts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from stance.gold.sampled import Head, Sampled

ALL_THREADS = ""
LEAST_OF_THREAD = 30  # labelled posts of a thread: with fewer it borrows the variance of all threads


@dataclass(frozen=True, slots=True)
class Need:
    """Labels that the share of a quantity in a thread needs for an interval of the wanted width."""

    thread: str  # id, or ALL_THREADS for all posts drawn from together
    quantity: str  # name
    posts: int  # judged posts that the share is taken over
    labelled: int
    share: float  # of people's labels alone, weighted; a thread with few labels has that of all threads
    basis: str  # CORRECTED, GOLD_ONLY or IN_FULL of stance.estimate: of the share that the report would give
    width: float  # of the 95% interval, with the labels there are
    needed: int  # labels in all, at most ``posts``
    more: int  # labels still to make


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """The labelled posts of a stratum."""

    posts: int  # that it holds
    residual: NDArray[np.float64]  # (labelled,)
    truth: NDArray[np.float64]  # (labelled,), 0 or 1


@dataclass(frozen=True, slots=True)
class _Spread:
    """What labels say of some posts; threads and strata with few labels borrow it from all."""

    share: float
    truth: float  # variance of people's labels
    residual: float  # variance of the residuals


def count_needed(sampled: Sampled, width: float) -> list[Need]:
    """Every quantity over all threads together, then of each thread where there are several.

    For the shares of ``stance.estimate.correct``, with its rule on positives: the variance of the residuals, the finite
    population and the two degrees of freedom count. More labels are taken to be dealt to strata as those there are.
    Quantities without two labels are left out.
    """
    needs = []
    for head in sampled.heads:
        known = head.known
        if known.sum() < 2:
            continue
        for place, outcome in enumerate(head.outcomes[:1] if head.kind == "toxicity" else head.outcomes):
            name = head.name if head.kind == "toxicity" else f"{head.name}: {outcome}"
            needs += _count_quantity(sampled, head, place, name, width)
    return sorted(needs, key=lambda need: need.thread != ALL_THREADS)


def solve_width(width_at: Callable[[int], float], posts: int, width: float) -> int:
    """The least number of labels up to ``posts`` whose interval, narrowing with every label, has the width."""
    low, high = 1, posts
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if width_at(middle) <= width else (middle + 1, high)
    return low


def find_width(shares: NDArray[np.float64], parts: NDArray[np.float64], units: NDArray[np.float64]) -> float:
    """Of the 95% interval of ``shares @ parts``; units (h,) is 1 / n of each stratum."""
    if len(shares) == 1:  # Wilson's, without the cost of arrays
        share, unit = float(shares[0]), float(units[0])
        return 2 * DEVIATE / (1 + DEVIATE**2 * unit) * sqrt(share * (1 - share) * unit + (DEVIATE * unit) ** 2 / 4)
    low, high = score_bounds(shares, parts, units)
    return float(high - low)


def _count_quantity(sampled: Sampled, head: Head, place: int, name: str, width: float) -> list[Need]:
    known = head.known
    truth = (head.truth == place).astype(float)
    weight = weigh_posts(sampled, known)
    residual = find_residual(truth, np.nan_to_num(head.probabilities[:, place]), weight)
    middle = weight @ residual / weight.sum()
    share = float(weight @ truth / weight.sum())
    pooled = _Spread(share, share * (1 - share), float(weight @ (residual - middle) ** 2 / weight.sum()))
    groups = [_Group(size, residual[places], truth[places]) for places, size in group_strata(sampled, known)]
    needs = [_solve((ALL_THREADS, name), groups, pooled, width)]
    if len(sampled.threads) > 1:
        for thread, posts in zip(sampled.threads, sampled.thread_posts, strict=True):
            inside = known & np.array([key[0] == thread for key in sampled.keys], bool)
            needs.append(_solve((thread, name), [_Group(posts, residual[inside], truth[inside])], pooled, width))
    return needs


def find_residual(
    truth: NDArray[np.float64], given: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(m,): what people say less the tuned part of what the tagger says, clip(cov / var, 0, 1) of it.

    The weight is tuned over all strata together, that of the report within them.
    """
    total = weight.sum()
    off = given - weight @ given / total
    variance = float(weight @ off**2 / total)
    covariance = float(weight @ (off * (truth - weight @ truth / total)) / total)
    tuned = min(max(covariance / variance, 0.0), 1.0) if variance else 0.0
    return np.asarray(truth - tuned * given)


def _solve(named: tuple[str, str], groups: list[_Group], pooled: _Spread, width: float) -> Need:
    """``named``: thread and quantity."""
    posts, labelled = sum(group.posts for group in groups), sum(len(group.truth) for group in groups)
    parts = np.array([group.posts for group in groups]) / posts
    if labelled >= posts:
        share = float(parts @ [group.truth.mean() for group in groups])
        return Need(*named, posts, labelled, share, IN_FULL, 0.0, posts, 0)
    positives = int(sum(group.truth.sum() for group in groups))
    least = 2 if named[0] == ALL_THREADS else LEAST_OF_THREAD
    cells = [pooled if len(group.truth) < least else _describe(group) for group in groups]
    shares = np.array([cell.share for cell in cells])
    # a share of 0 or 1 in the sample is hardly that of all posts (Agresti and Coull 1998)
    rough = (shares * max(labelled, LEAST_OF_THREAD) + 2) / (max(labelled, LEAST_OF_THREAD) + 4)

    def units_at(count: int) -> NDArray[np.float64]:
        """(h,): 1 / n of each stratum, with its finite population, if ``count`` are dealt as those there are."""
        dealt = np.array([len(group.truth) / labelled if labelled else 1.0 for group in groups]) * count
        return np.asarray(np.maximum(1 / dealt - 1 / np.array([group.posts for group in groups]), 0))

    def alone_at(count: int, given: NDArray[np.float64] = rough) -> float:
        return find_width(given, parts, units_at(count))

    def corrected_at(count: int) -> float:
        units = units_at(count)
        left = [parts**2 * units @ [getattr(cell, name) for cell in cells] for name in ("residual", "truth")]
        helped = left[0] / left[1] if left[1] > 0 else 1.0
        return find_width(
            shares if 0 < parts @ shares < 1 else rough, parts, units * helped * count / max(count - 2, 1)
        )

    corrected = min(positives, labelled - positives) >= LEAST_POSITIVES
    if corrected:
        now, needed = corrected_at(labelled), solve_width(corrected_at, posts, width)
    else:  # as soon as enough labels have it and lack it, the corrected share takes over
        now = alone_at(labelled, shares) if labelled else 1.0
        common = float(parts @ rough)
        first = max(solve_width(corrected_at, posts, width), ceil(LEAST_POSITIVES / min(common, 1 - common)))
        needed = min(solve_width(alone_at, posts, width), first, posts)
    if now <= width:
        needed = min(needed, labelled)
    basis = CORRECTED if corrected else GOLD_ONLY
    return Need(*named, posts, labelled, float(parts @ shares), basis, now, needed, max(needed - labelled, 0))


def _describe(group: _Group) -> _Spread:
    least = 1 / len(group.truth)  # as if one label at least were wrong
    return _Spread(
        float(group.truth.mean()), max(float(group.truth.var()), least), max(float(group.residual.var()), least)
    )
