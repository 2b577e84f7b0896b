"""Calibration: what makes probabilities of logits, and the thresholds, fitted on data that the weights never saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from stance.records import TOXICITY
from stance.tagger import Thresholds
from stance.tagger.shipped import Calibration, Scores, sigmoid, softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stance.train.mix import Example

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


def fit_sigmoids(logits: NDArray[np.float32], examples: Sequence[Example]) -> Calibration:
    """Platt scaling of each attribute, drawn toward no change where there are few positives; logits (texts, 5)."""
    from scipy.optimize import minimize

    temperatures, biases = [], []
    for column in range(len(TOXICITY)):
        truth = np.array([example.toxicity[column] for example in examples], float)
        scores = logits[:, column]

        def loss(
            values: NDArray[np.float64], truth: NDArray[np.float64] = truth, scores: NDArray[np.float32] = scores
        ) -> float:
            p = np.clip(sigmoid(scores / np.exp(values[0]) + values[1]), 1e-9, 1 - 1e-9)
            likelihood = (truth * np.log(p) + (1 - truth) * np.log(1 - p)).sum()
            return float(-likelihood + 2 * values[0] ** 2 + 0.1 * values[1] ** 2)

        scale, bias = minimize(loss, np.zeros(2), method="L-BFGS-B").x
        temperatures.append(round(float(np.exp(scale)), 4))
        biases.append(round(float(bias), 4))
    return Calibration(tuple(temperatures), tuple(biases))


def choose_thresholds(
    probabilities: NDArray[np.float64], examples: Sequence[Example], abstain: tuple[float, float]
) -> Thresholds:
    """The toxicity threshold of best F1, between .3 and .5; ``abstain`` is for stance and sentiment."""
    chosen = []
    for column in range(len(TOXICITY)):
        truth = np.array([example.toxicity[column] for example in examples], bool)
        cuts = np.round(np.arange(0.3, HALF + 0.001, 0.02), 2)
        found = [probabilities[:, column] >= cut for cut in cuts]
        scores = [2 * (truth & hit).sum() / max(1, truth.sum() + hit.sum()) for hit in found]
        chosen.append(HALF if truth.sum() < FEW_POSITIVES else float(cuts[int(np.argmax(scores))]))
    return Thresholds(abstain[0], abstain[1], tuple(chosen))


def stack_stance(scores: Scores, examples: Sequence[Example]) -> tuple[NDArray[np.float32], list[int]]:
    """All sides of all texts in one column: logits (items, 3) and their labels."""
    logits = np.concatenate([row for row in scores.stance if len(row)])
    return logits, [label for example in examples for _, label in example.sides]
