"""Whether the tagger's probabilities hold on these posts: calibration error and a table of bins for each head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stance.gold import SEED, Measured
from stance.gold.metrics import ALL_SIDES
from stance.gold.sampled import find_interval, resample_weights, weigh_posts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stance.gold.sampled import Sampled

BINS = 10  # of equal width: the card's 15 leave too few of a few hundred labels in each
_TRIALS = 200


@dataclass(frozen=True, slots=True)
class Bin:
    """The posts whose probability lies in one stretch."""

    low: float  # the stretch, 0 to 1
    high: float
    confidence: float  # their mean probability
    share: float  # of them that it holds for
    n: int  # labelled posts


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far a head's probabilities are from what they say.

    Of stance and sentiment the probability of the likeliest label counts, and whether that label is right (Guo et al.
    2017); of toxicity the probability of being toxic, and whether people call the post so.
    """

    name: str  # as Head, or ALL_SIDES
    error: Measured  # expected calibration error
    expected: float  # the error that chance would leave had every probability been right
    bins: tuple[Bin, ...]  # those that hold posts


def measure_reliability(sampled: Sampled) -> list[Reliability]:
    """Every head with labels, and all sides together where there are several."""
    found = []
    parts = []
    for head in sampled.heads:
        known = head.known & ~np.isnan(head.probabilities).any(1)
        if not known.any():
            continue
        confidence, right = judge_confidence(head.probabilities, head.truth, head.kind)
        if head.kind == "stance":
            parts.append((confidence, right, known))
        found.append(_measure(head.name, sampled, [(confidence, right, known)]))
    if len(parts) > 1:
        found.insert(len(parts), _measure(ALL_SIDES, sampled, parts))
    return found


def judge_confidence(
    found: NDArray[np.float64], truth: NDArray[np.int64], kind: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(m, outcomes) probabilities and (m,) labels -> (m,) the probability that counts, (m,) whether it holds."""
    shown = np.nan_to_num(found)
    if kind == "toxicity":
        return shown[:, 0], (truth == 0).astype(float)
    return shown.max(1), (shown.argmax(1) == truth).astype(float)


def sum_bins(
    confidence: NDArray[np.float64], values: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(..., BINS): weighted sums of ``values`` (m,) by the bin of ``confidence`` (m,); weights (..., m)."""
    return np.asarray(weights @ (_place(confidence) * values[:, None]))


def find_error(
    confidence: NDArray[np.float64], right: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(...): expected calibration error under each of the weights (..., m)."""
    gaps = np.abs(sum_bins(confidence, right - confidence, weights)).sum(-1)
    return np.asarray(gaps / np.maximum(weights.sum(-1), 1e-12))


def measure_error(
    confidence: NDArray[np.float64], right: NDArray[np.float64], weight: NDArray[np.float64], draws: NDArray[np.float64]
) -> Measured:
    """The error with its interval: resamples are less calibrated than the whole, so they are shifted to its value."""
    value = float(find_error(confidence, right, weight))
    resampled = find_error(confidence, right, draws)
    low, high = find_interval(resampled - (resampled.mean() - value))
    return Measured(value, max(min(low, value), 0.0), max(high, value), int((weight > 0).sum()))


def _place(confidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m, BINS): 1 in the bin of each, else 0."""
    spread: NDArray[np.float64] = np.eye(BINS)[np.minimum((confidence * BINS).astype(int), BINS - 1)]
    return spread


def _measure(
    name: str, sampled: Sampled, parts: Sequence[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]]
) -> Reliability:
    """Parts: confidence, right and known, (m,) each; several for the sides of one post, which is resampled whole."""
    confidence, right, known = (np.concatenate(some) for some in zip(*parts, strict=True))
    together = np.any([part[2] for part in parts], axis=0)
    weight = np.tile(weigh_posts(sampled, together), len(parts)) * known
    draws = np.tile(resample_weights(sampled, together), len(parts)) * known
    error = measure_error(confidence, right, weight, draws)
    chance = np.random.default_rng(SEED).random((_TRIALS, len(confidence))) < confidence
    trials = np.abs(((chance - confidence) * weight) @ _place(confidence)).sum(1) / weight.sum()
    mass = sum_bins(confidence, np.ones(len(confidence)), weight)
    sums = sum_bins(confidence, confidence, weight), sum_bins(confidence, right, weight)
    counts = sum_bins(confidence, np.ones(len(confidence)), known.astype(float))
    bins = tuple(
        Bin(
            place / BINS,
            (place + 1) / BINS,
            float(sums[0][place] / mass[place]),
            float(sums[1][place] / mass[place]),
            int(counts[place]),
        )
        for place in np.flatnonzero(mass > 0).tolist()
    )
    error = Measured(error.value, error.low, error.high, int(together.sum()))
    return Reliability(name, error, float(trials.mean()), bins)
