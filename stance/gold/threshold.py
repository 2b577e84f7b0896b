"""The probability from which posts reach a wanted precision or recall, by people's labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stance.estimate import CONFIDENCE
from stance.estimate.judged import list_quantities, probabilities
from stance.gold import Measured
from stance.gold.sampled import align_gold, weigh_posts
from stance.gold.scaling import deal_folds
from stance.records import StanceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stance.estimate.judged import Gold, Judged, Quantity
    from stance.gold.sampled import Sampled

MEASURES = ("precision", "recall")
FOLDS = 10


@dataclass(frozen=True, slots=True)
class Wish:
    """What a threshold is to reach."""

    quantity: str  # name of a Quantity: "toxicity: any", "Armenia: against"
    measure: str  # of MEASURES
    wanted: float  # over 0, under 1


@dataclass(frozen=True, slots=True)
class Threshold:
    """The threshold for a wish, and what it does. Intervals are 95% Clopper-Pearson, weighted samples counted by what
    they are worth (Korn and Graubard 1998)."""

    quantity: str
    measure: str
    wanted: float
    threshold: float | None  # probability; None: no threshold reaches it on these labels
    posts: int  # judged posts at or over it
    precision: Measured | None  # at it, on the labels that it was chosen on; n: labelled posts at or over it
    recall: Measured | None  # likewise; n: labelled posts that have the quantity
    held_out: Measured | None  # the measure on folds whose labels had no part in choosing: what to expect of new posts


def find_threshold(gold: Gold, judged: Sequence[Judged], wish: Wish) -> Threshold:
    """For precision the lowest threshold that reaches it, so that most posts are found; for recall the highest.

    ``judged``: calibrated or not; a threshold holds for the probabilities that it was found on. StanceError for an
    unknown quantity, a number out of range, and where no labelled post has the quantity.
    """
    if wish.measure not in MEASURES or not 0 < wish.wanted < 1:
        raise StanceError(f"target {wish.measure} {wish.wanted:g}: name precision or recall and a number under 1")
    quantity = find_quantity(gold.sides, wish.quantity)
    sampled = align_gold(gold, judged)
    scores, truth, weight = _read_labels(sampled, quantity)
    if not truth.any():
        raise StanceError(f"{quantity.name}: no labelled post has it, so no threshold can be found. Label more posts.")
    cut = _choose(scores, truth, weight, wish)
    if cut is None:
        return Threshold(quantity.name, wish.measure, wish.wanted, None, 0, None, None, None)
    over = scores >= cut
    everywhere = [probabilities(one, quantity) for one in judged if one.thread in sampled.threads]
    return Threshold(
        quantity=quantity.name,
        measure=wish.measure,
        wanted=wish.wanted,
        threshold=cut,
        posts=int(sum((found >= cut).sum() for found in everywhere)),
        precision=measure_exact(truth[over], weight[over]),
        recall=measure_exact(over[truth == 1].astype(float), weight[truth == 1]),
        held_out=_hold_out(scores, truth, weight, wish, gold.seed),
    )


def find_quantity(sides: Sequence[str], name: str) -> Quantity:
    """The quantity of a name, in whatever case; StanceError names those that there are."""
    known = list_quantities(sides)
    for quantity in known:
        if quantity.name.casefold() == name.strip().casefold():
            return quantity
    raise StanceError(f"{name}: no such quantity. Name one of {'; '.join(quantity.name for quantity in known)}.")


def measure_exact(hits: NDArray[np.float64], weight: NDArray[np.float64]) -> Measured | None:
    """The weighted share of hits, (m,) of 0 and 1; None of no posts."""
    if not weight.any():
        return None
    from scipy.stats import beta

    value = float(np.clip(weight @ hits / weight.sum(), 0, 1))
    worth = float(weight.sum() ** 2 / (weight**2).sum())
    tail, count = (1 - CONFIDENCE) / 2, value * worth
    low = 0.0 if count == 0 else float(beta.ppf(tail, count, worth - count + 1))
    high = 1.0 if value == 1 else float(beta.ppf(1 - tail, count + 1, worth - count))
    return Measured(value, low, high, len(hits))


def _read_labels(
    sampled: Sampled, quantity: Quantity
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Probability, whether people say so (0 or 1), weight; (k,) each, of the k posts that both speak of."""
    name = {"stance": quantity.subject, "toxicity": quantity.name, "sentiment": "sentiment"}[quantity.head]
    for head in sampled.heads:
        if head.name == name and head.kind == quantity.head:
            place = head.outcomes.index(quantity.outcome)
            known = head.known & ~np.isnan(head.probabilities[:, place])
            truth = (head.truth[known] == place).astype(float)
            return head.probabilities[known, place], truth, weigh_posts(sampled, known)[known]
    return np.zeros(0), np.zeros(0), np.zeros(0)


def _choose(
    scores: NDArray[np.float64], truth: NDArray[np.float64], weight: NDArray[np.float64], wish: Wish
) -> float | None:
    """The threshold among the scores themselves; posts of one score go together."""
    order = np.argsort(-scores, kind="stable")
    hits, posts = np.cumsum((weight * truth)[order]), np.cumsum(weight[order])
    last = np.append(np.diff(scores[order]) != 0, True)  # of a run of equal scores
    reached = (hits / posts if wish.measure == "precision" else hits / hits[-1]) >= wish.wanted - 1e-12
    places = np.flatnonzero(reached & last & (hits > 0))
    if not len(places):
        return None
    return float(scores[order][places[-1] if wish.measure == "precision" else places[0]])


def _hold_out(
    scores: NDArray[np.float64], truth: NDArray[np.float64], weight: NDArray[np.float64], wish: Wish, seed: int
) -> Measured | None:
    fold = deal_folds(len(scores), min(FOLDS, len(scores)), seed)
    over = np.zeros(len(scores), bool)
    for number in range(int(fold.max()) + 1):
        rest = fold != number
        if truth[rest].any():
            cut = _choose(scores[rest], truth[rest], weight[rest], wish)
            over[~rest] = False if cut is None else scores[~rest] >= cut
    if wish.measure == "precision":
        return measure_exact(truth[over], weight[over])
    return measure_exact(over[truth == 1].astype(float), weight[truth == 1])
