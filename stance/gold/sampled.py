"""Labelled posts beside what the tagger says of them, weighted so that figures stand for every post drawn from.

Weights are 1 / inclusion probability, scaled so that the labelled posts of a stratum stand for all its posts: posts
that are drawn but not labelled yet change nothing as long as coders keep to the order of the sample, which is random.
Intervals come from the rescaled bootstrap of Rao and Wu (1988) over posts, within strata, with the finite-population
factor: where all posts of a stratum are labelled, it adds no width.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from stance.estimate import wilson_interval
from stance.estimate.judged import ANY, NOT_JUDGED_CODE, Quantity, gold_values, labels, probabilities
from stance.gold import RESAMPLES, SEED, Measured
from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from stance.estimate.judged import Gold, GoldLabel, Judged

UNLABELLED = -3  # beside the positions of an outcome
TOXIC = ("toxic", "not toxic")  # outcomes of a toxicity head
INTERVAL = (0.025, 0.975)


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """One choice that coders and tagger both make, of each of the m labelled posts."""

    name: str  # a side's name, "toxicity: insult", "sentiment"
    kind: str  # of stance.estimate.HEADS
    outcomes: tuple[str, ...]  # STANCES, TOXIC or SENTIMENTS
    truth: NDArray[np.int64]  # (m,), positions in outcomes, or UNLABELLED
    given: NDArray[np.int64]  # (m,), positions in outcomes, ABSTAINED_CODE or NOT_JUDGED_CODE
    probabilities: NDArray[np.float64]  # (m, outcomes), NaN where not judged

    @property
    def known(self) -> NDArray[np.bool_]:
        """(m,): whether both say something of the post; abstaining is an answer."""
        return np.asarray((self.truth != UNLABELLED) & (self.given != NOT_JUDGED_CODE))


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """The m labelled posts that the tables hold, in the order of the tables."""

    threads: tuple[str, ...]  # of the tables, that posts were drawn from
    thread_posts: tuple[int, ...]  # judged posts of each: all of them are what the figures stand for
    keys: tuple[tuple[str, str], ...]  # (m,), thread and id of each post
    inverse: NDArray[np.float64]  # (m,), 1 / inclusion probability
    stratum: NDArray[np.int64]  # (m,), positions in sizes
    sizes: tuple[int, ...]  # judged posts of each stratum
    heads: tuple[Head, ...]  # sides, toxicity (any first), sentiment
    warnings: tuple[str, ...]  # what a reader must know, one line each


def align_gold(gold: Gold, judged: Sequence[Judged]) -> Sampled:
    """Put the first coder's labels beside the tagger's answers.

    Labels of posts that were not drawn have no known probability and are left out, as are those of posts that the
    tables do not judge; ``Sampled.warnings`` counts both. StanceError where two tables hold one thread.
    """
    twice = [name for name, count in Counter(one.thread for one in judged).items() if count > 1]
    if twice:
        raise StanceError(f"{printable(twice[0])}: two tables hold this thread. Name one of them.")
    drawn = {(one.thread, one.post): one for one in gold.drawn}
    said = {(label.thread, label.post) for label in gold.labels if _says_something(label)}
    threads = {stratum.thread for stratum in gold.strata}
    sides = [side for side in gold.sides if all(side in one.sides for one in judged)]
    parts, keys = [], []
    for one in judged:
        places = [i for i, post in enumerate(one.ids) if (one.thread, post) in said and (one.thread, post) in drawn]
        if places:
            parts.append(take_posts(one, places))
            keys += [(one.thread, one.ids[place]) for place in places]
    stratum, sizes = _number_strata(gold, keys)
    return Sampled(
        threads=tuple(one.thread for one in judged if one.thread in threads),
        thread_posts=tuple(len(one.ids) for one in judged if one.thread in threads),
        keys=tuple(keys),
        inverse=np.array([1 / drawn[key].probability for key in keys], float),
        stratum=stratum,
        sizes=sizes,
        heads=tuple(_read_heads(gold, parts, sides)),
        warnings=tuple(_list_warnings(gold, judged, said, set(keys))),
    )


def take_posts(judged: Judged, places: Sequence[int]) -> Judged:
    """Some posts of a thread, by position."""
    chosen = np.asarray(places, int)
    return replace(
        judged,
        ids=tuple(judged.ids[place] for place in places),
        authors=tuple(judged.authors[place] for place in places),
        **{
            name: getattr(judged, name)[chosen]
            for name in ("rows", "times", "stance", "stance_label", "toxicity", "present", "sentiment")
        },
        sentiment_label=judged.sentiment_label[chosen],
    )


def weigh_posts(sampled: Sampled, known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(m,): how many posts each known post (m,) stands for; 0 for the others."""
    weight = np.where(known, sampled.inverse, 0.0)
    for code, size in enumerate(sampled.sizes):
        inside = sampled.stratum == code
        if total := float(weight[inside].sum()):
            weight[inside] *= size / total
    return weight


def resample_weights(sampled: Sampled, known: NDArray[np.bool_], finite: bool = True) -> NDArray[np.float64]:
    """(RESAMPLES, m): ``weigh_posts`` in each resample of the rescaled bootstrap.

    A stratum with one known post cannot be resampled: such strata are drawn from together. ``finite``: whether the
    figures are those of the posts drawn from, else of posts like these without end.
    """
    return _resample(sampled, known.tobytes(), finite) * weigh_posts(sampled, known)


@lru_cache(maxsize=8)  # most heads are labelled on the same posts
def _resample(sampled: Sampled, known: bytes, finite: bool) -> NDArray[np.float64]:
    generator = np.random.default_rng(SEED)
    chosen = np.frombuffer(known, bool)
    factors = np.zeros((RESAMPLES, len(chosen)))
    for places, size in group_strata(sampled, chosen):
        n = len(places)
        if n == 1:
            factors[:, places] = 1.0
            continue
        reach = np.sqrt(1 - min(n / size, 1.0)) if finite else 1.0
        drawn = generator.multinomial(n - 1, np.full(n, 1 / n), size=RESAMPLES)
        factors[:, places] = 1 - reach + reach * drawn * n / (n - 1)
    return factors


def group_strata(sampled: Sampled, known: NDArray[np.bool_]) -> list[tuple[NDArray[np.int64], int]]:
    """Places of the known posts of each stratum, and how many posts it holds; those with one known post together."""
    found, lonely, beside = [], [], 0
    for code, size in enumerate(sampled.sizes):
        places = np.flatnonzero(known & (sampled.stratum == code))
        if len(places) == 1 < size:
            lonely.append(int(places[0]))
            beside += size
        elif len(places):
            found.append((places, size))
    if lonely:
        found.append((np.array(lonely, np.int64), beside))
    return found


def measure_ratio(
    weight: NDArray[np.float64],
    draws: NDArray[np.float64],
    numerator: NDArray[np.float64],
    denominator: NDArray[np.float64],
) -> Measured | None:
    """A weighted sum over another, both (m,), with its interval; None where the second is nothing.

    ``weight`` (m,) from ``weigh_posts``, ``draws`` (RESAMPLES, m) from ``resample_weights``. Where all posts agree, so
    do the resamples: a share of 0 or 1 then gets the Wilson interval of as many posts as the weights are worth (Kish
    1965), unless all posts are labelled.
    """
    total = float(weight @ denominator)
    if not total:
        return None
    value = float(weight @ numerator) / total
    n = int((denominator > 0).sum())
    low, high = find_interval(ratio(draws, numerator, denominator))
    in_full = bool(np.allclose(weight[weight > 0], 1))  # each post stands for itself alone
    if n == 1 and not in_full:
        return Measured(value, min(0.0, value), max(1.0, value), n)
    if value in (0.0, 1.0) and low == high and not in_full:
        worth = weight * denominator
        effective = max(round(float(worth.sum() ** 2 / (worth**2).sum())), 1)
        low, high = wilson_interval(effective if value else 0, effective)
    return Measured(value, min(low, value), max(high, value), n)


def ratio(
    weights: NDArray[np.float64], numerator: NDArray[np.float64], denominator: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(..., m) weights -> (...): weighted ratio, NaN where the denominator is nothing."""
    below = weights @ denominator
    return np.asarray(np.where(below > 0, weights @ numerator / np.where(below > 0, below, 1), np.nan))


def find_interval(resampled: NDArray[np.float64]) -> tuple[float, float]:
    """The ends of the 95% percentile interval; resamples that say nothing (NaN) are left out."""
    if np.isnan(resampled).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(resampled, INTERVAL)
    return float(low), float(high)


def printable(text: str) -> str:
    """A name from outside on a terminal: no control characters, not endless."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."


def _says_something(label: GoldLabel) -> bool:
    return any(answer is not None for answer in (*label.stance, *label.toxicity, label.sentiment))


def _read_heads(gold: Gold, parts: Sequence[Judged], sides: Sequence[str]) -> Iterator[Head]:
    spoken = {one.thread: tuple(label for label in gold.labels if label.thread == one.thread) for one in parts}

    def gather(quantities: Sequence[Quantity]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(m,) what coders say as positions in the quantities, and (m, quantities) probabilities."""
        values, found = [np.zeros((0, len(quantities)))], [np.zeros((0, len(quantities)))]
        for one in parts:
            own = replace(gold, labels=spoken[one.thread])
            values.append(np.stack([gold_values(own, one, quantity) for quantity in quantities], axis=1))
            found.append(np.stack([probabilities(one, quantity) for quantity in quantities], axis=1))
        said = np.concatenate(values)
        return np.where(np.isnan(said).any(1), UNLABELLED, np.nan_to_num(said).argmax(1)), np.concatenate(found)

    for side in sides:
        truth, found = gather([Quantity("stance", side, outcome) for outcome in STANCES])
        codes = [one.stance_label[:, one.sides.index(side)] for one in parts]
        yield Head(side, "stance", STANCES, truth, _join_codes(codes), found)
    for attribute in (ANY, *TOXICITY):
        quantity = Quantity("toxicity", attribute, TOXIC[0])
        values = [gold_values(replace(gold, labels=spoken[one.thread]), one, quantity) for one in parts]
        said = np.concatenate([np.zeros(0), *values])
        _, found = gather([quantity])
        marked = np.concatenate([np.zeros(0), *(labels(one, quantity) for one in parts)])
        given = np.where(np.isnan(marked), NOT_JUDGED_CODE, 1 - np.nan_to_num(marked)).astype(int)
        truth = np.where(np.isnan(said), UNLABELLED, 1 - np.nan_to_num(said)).astype(int)
        yield Head(quantity.name, "toxicity", TOXIC, truth, given, np.concatenate([found, 1 - found], axis=1))
    truth, found = gather([Quantity("sentiment", "", outcome) for outcome in SENTIMENTS])
    yield Head("sentiment", "sentiment", SENTIMENTS, truth, _join_codes([one.sentiment_label for one in parts]), found)


def _join_codes(codes: Sequence[NDArray[np.int8]]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(0, np.int64), *(code.astype(np.int64) for code in codes)])


def _number_strata(gold: Gold, keys: Sequence[tuple[str, str]]) -> tuple[NDArray[np.int64], tuple[int, ...]]:
    """The stratum of each labelled post, and the posts of each stratum.

    ``Gold`` counts strata by thread, but threads may have been drawn from together. Posts of one name and one
    probability are taken for one stratum: where threads were drawn from apart, this makes intervals wider at worst.
    """
    chances: dict[tuple[str, str], set[float]] = {}
    for one in gold.drawn:
        chances.setdefault((one.thread, one.stratum), set()).add(round(one.probability, 9))
    kinds: dict[str, list[tuple[str, tuple[float, ...]]]] = {}
    for (_, name), found in chances.items():
        kind = (name, tuple(sorted(found)))
        if kind not in kinds.setdefault(name, []):
            kinds[name].append(kind)
    order = {kind: place for place, kind in enumerate(sorted(kind for some in kinds.values() for kind in some))}
    sizes = [0] * len(order)
    for cell in gold.strata:
        chance = chances.get((cell.thread, cell.name))
        if chance is not None:
            sizes[order[cell.name, tuple(sorted(chance))]] += cell.posts
        elif len(kinds.get(cell.name, ())) == 1:  # drawn from together with other threads, which gave all posts
            sizes[order[kinds[cell.name][0]]] += cell.posts
    named = {(one.thread, one.post): (one.thread, one.stratum) for one in gold.drawn}
    codes = [order[named[key][1], tuple(sorted(chances[named[key]]))] for key in keys]
    counts = np.bincount(np.array(codes, int), minlength=len(order))
    if any(count > size for count, size in zip(counts, sizes, strict=True)):
        raise StanceError("gold sample: more posts are drawn from a stratum than it holds. Restore its sample.json.")
    return np.array(codes, np.int64), tuple(sizes)


def _list_warnings(
    gold: Gold, judged: Sequence[Judged], said: set[tuple[str, str]], used: set[tuple[str, str]]
) -> Iterator[str]:
    drawn = {(one.thread, one.post) for one in gold.drawn}
    held = {(one.thread, post) for one in judged for post in one.ids}
    threads = {one.thread for one in gold.strata}
    for side in gold.sides:
        if judged and not all(side in one.sides for one in judged):
            yield f"{printable(side)}: no side of every table: not scored."
    if undrawn := said - drawn:
        yield f"{len(undrawn)} labelled posts were not drawn: their probability is not known, they are left out."
    if absent := (said & drawn) - held:
        yield f"{len(absent)} labelled posts are not among the judged posts of these tables: left out."
    if others := [one.thread for one in judged if one.thread not in threads]:
        yield f"{len(others)} threads were not drawn from ({printable(others[0])}, ...): no figure covers them."
    if gone := threads - {one.thread for one in judged}:
        yield f"{len(gone)} threads that were drawn from are not in these tables ({printable(min(gone))}, ...)."
    reached = {one.stratum for one in gold.drawn if (one.thread, one.post) in used}
    if used and (empty := sum(one.posts for one in gold.strata if one.name not in reached)):
        yield f"{empty:,} posts lie in strata without a label yet: no figure covers them."
