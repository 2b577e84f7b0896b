"""Calibration: what makes probabilities of logits, and the thresholds, fitted on data that the weights never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from stance.gold import span_f1
from stance.tagger.score import Scores
from stance.tagger.shipped import Calibration, FolderTagger, sigmoid, softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stance.examples import Example

FEW_POSITIVES = 20  # an attribute with fewer gets no threshold of its own
HALF = 0.5


def fit_softmax(logits: NDArray[np.float32], truth: Sequence[int]) -> Calibration:
    """One temperature by maximum likelihood (Guo et al. 2017); logits (items, labels), truth (items,).

    A bias a label would fit the calibration sets' own shares of labels: it cost tweets without hashtags .004 of F1 and
    public sentiment tweets .04 of recall.
    """
    from scipy.optimize import minimize_scalar

    right = np.asarray(truth)
    flat = (0.0,) * logits.shape[1]

    def loss(logarithm: float) -> float:
        probabilities = softmax(Calibration((float(np.exp(logarithm)),), flat).apply(logits))
        return float(-np.log(np.maximum(probabilities[np.arange(len(right)), right], 1e-12)).mean())

    best = minimize_scalar(loss, bounds=(-3, 3), method="bounded").x
    return Calibration((round(float(np.exp(best)), 4),), flat)


def fit_sigmoids(logits: NDArray[np.float32], truth: Sequence[Sequence[int | None]]) -> Calibration:
    """Platt scaling of each label, drawn toward no change where there are few positives.

    logits (items, labels); truth (items, labels) of 0, 1 and None: unknown.
    """
    from scipy.optimize import minimize

    temperatures, biases = [], []
    for column in range(logits.shape[1]):
        known = np.array([row[column] is not None for row in truth], bool)
        right = np.array([row[column] or 0 for row in truth], float)[known]
        scores = logits[known, column]

        def loss(
            values: NDArray[np.float64], right: NDArray[np.float64] = right, scores: NDArray[np.float32] = scores
        ) -> float:
            p = np.clip(sigmoid(scores / np.exp(values[0]) + values[1]), 1e-9, 1 - 1e-9)
            likelihood = (right * np.log(p) + (1 - right) * np.log(1 - p)).sum()
            return float(-likelihood + 2 * values[0] ** 2 + 0.1 * values[1] ** 2)

        scale, bias = minimize(loss, np.zeros(2), method="L-BFGS-B").x
        temperatures.append(round(float(np.exp(scale)), 4))
        biases.append(round(float(bias), 4))
    return Calibration(tuple(temperatures), tuple(biases))


def choose_thresholds(probabilities: NDArray[np.float64], truth: Sequence[Sequence[int | None]]) -> tuple[float, ...]:
    """The threshold of best F1 of each label, between .3 and .5; both arguments (items, labels), none unknown."""
    chosen = []
    for column in range(probabilities.shape[1]):
        right = np.array([row[column] for row in truth], bool)
        cuts = np.round(np.arange(0.3, HALF + 0.001, 0.02), 2)
        scores = [f1(right, probabilities[:, column] >= cut) for cut in cuts]
        chosen.append(HALF if right.sum() < FEW_POSITIVES else float(cuts[int(np.argmax(scores))]))
    return tuple(chosen)


def f1(right: NDArray[np.bool_], found: NDArray[np.bool_]) -> float:
    return float(2 * (right & found).sum() / max(1, right.sum() + found.sum()))


def choose_span_threshold(tagger: FolderTagger, examples: Sequence[Example]) -> float:
    """The threshold of toxic tokens with the best mean character F1 on texts whose toxic stretches are known."""
    texts = [example.text for example in examples]
    scores = tagger.score(texts, [[]] * len(texts)).toxic_token
    cuts = np.round(np.arange(0.1, 0.71, 0.04), 2)
    means = []
    for cut in cuts:
        tagger.thresholds = replace(tagger.thresholds, toxic_token=float(cut))
        found = [tagger.find_spans(text, tokens) for text, tokens in zip(texts, scores, strict=True)]
        means.append(
            np.mean([span_f1(example.spans or (), spans) for example, spans in zip(examples, found, strict=True)])
        )
    return float(cuts[int(np.argmax(means))])


def stack_stance(scores: Scores, examples: Sequence[Example]) -> tuple[NDArray[np.float32], list[int]]:
    """All sides of all texts in one column: logits (items, 3) and their labels."""
    logits = np.concatenate([row for row in scores.stance if len(row)])
    return logits, [label for example in examples for _, label in example.sides]
