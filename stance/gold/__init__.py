"""Gold labels against predictions: the field's measures, each with n and a bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 1000
SEED = 20201110

Spans = Sequence[tuple[int, int]]  # stretches of a text: the first character and one past the last


@dataclass(frozen=True, slots=True)
class Measured:
    """A measure with its 95% bootstrap interval over texts."""

    value: float
    low: float
    high: float
    n: int  # texts


def confusion(truth: Sequence[int], predicted: Sequence[int], labels: int) -> NDArray[np.float64]:
    """(labels, labels): how often each true label (row) was given each label (column)."""
    counts = np.zeros((labels, labels))
    np.add.at(counts, (np.asarray(truth, int), np.asarray(predicted, int)), 1)
    return counts


def macro_f1(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., labels, labels) -> (...): mean over labels of F1; a label that occurs nowhere counts 0."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    both = counts.sum(-1) + counts.sum(-2)
    return np.asarray((2 * hits / np.maximum(both, 1e-9)).mean(-1))


def macro_recall(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., labels, labels) -> (...): mean over labels of recall."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    return np.asarray((hits / np.maximum(counts.sum(-1), 1e-9)).mean(-1))


def positive_f1(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 2, 2) -> (...): F1 of label 1."""
    both = counts[..., 1, :].sum(-1) + counts[..., :, 1].sum(-1)
    return np.asarray(2 * counts[..., 1, 1] / np.maximum(both, 1e-9))


def named_precision(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., labels, labels) -> (...): how much of what is given any label but the last has it; the last is "none"."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)[..., :-1].sum(-1)
    return np.asarray(hits / np.maximum(counts[..., :, :-1].sum((-2, -1)), 1e-9))


def span_f1(truth: Spans, found: Spans) -> float:
    """Character F1 of one text's stretches; 1 where both have none (SemEval-2021 task 5, Pavlopoulos et al. 2021)."""
    right = {place for start, end in truth for place in range(start, end)}
    given = {place for start, end in found for place in range(start, end)}
    return 2 * len(right & given) / (len(right) + len(given)) if right or given else 1.0


def measure_mean(values: Sequence[float]) -> Measured:
    """The mean of one number a text."""
    each = np.asarray(values, float)
    draws = np.random.default_rng(SEED).multinomial(len(each), np.full(len(each), 1 / len(each)), size=RESAMPLES)
    low, high = np.quantile(draws @ each / len(each), [0.025, 0.975])
    return Measured(float(each.mean()), float(low), float(high), len(each))


def measure_counts(
    counts: NDArray[np.float64], measure: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> Measured:
    """A measure of summed confusion counts; ``counts`` (texts, labels, labels) holds one matrix a text.

    Texts are resampled whole: the sides of one text are not independent.
    """
    texts = len(counts)
    draws = np.random.default_rng(SEED).multinomial(texts, np.full(texts, 1 / texts), size=RESAMPLES)
    resampled = measure(np.tensordot(draws, counts, axes=1))
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Measured(float(measure(counts.sum(0))), float(low), float(high), texts)


def measure_auc(truth: Sequence[int], scores: Sequence[float]) -> Measured:
    """Area under the ROC curve of a score for label 1."""
    from scipy.stats import rankdata

    labels, ranks = np.asarray(truth, bool), rankdata(scores)

    def area(chosen: NDArray[np.int64]) -> float:
        picked = labels[chosen]
        positives, negatives = int(picked.sum()), int((~picked).sum())
        if not positives or not negatives:
            return float("nan")  # a resample without one of the two says nothing
        ranked = rankdata(ranks[chosen])
        return float((ranked[picked].sum() - positives * (positives + 1) / 2) / (positives * negatives))

    generator = np.random.default_rng(SEED)
    resampled = [area(generator.integers(len(labels), size=len(labels))) for _ in range(RESAMPLES)]
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    return Measured(area(np.arange(len(labels))), float(low), float(high), len(labels))


def calibration_error(probabilities: NDArray[np.float64], truth: Sequence[int], bins: int = 15) -> float:
    """Expected calibration error of the likeliest label, equal-width bins (Guo et al. 2017).

    probabilities (items, labels), truth (items,).
    """
    confidence = probabilities.max(-1)
    right = probabilities.argmax(-1) == np.asarray(truth)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(right[place == b].mean() - confidence[place == b].mean()) * (place == b).mean() for b in set(place)]
    return float(sum(gaps))
