"""A small model that makes a head's probabilities hold for one topic: temperature scaling with a bias a label.

``softmax(slope * log p + bias)``, the bias-corrected temperature scaling of Alexandari, Kundaje and Shrikumar 2020;
of two outcomes it is Platt's logistic (1999). It is a logistic regression on log probabilities, fitted with normal
priors around "leave as it is", so that few labels change little. The bias may move freely, for it carries how common a
label is in the topic; the slope is held more tightly. Isotonic regression needs thousands of labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Standard deviations of the priors. Simulated with 60 and 150 labels and shares of 7, 20 and 73%: a bias held to 1
# leaves the mean of the rarest label's probabilities off by 6 and 3 thousandths, 2 halves that, 5 costs log loss.
# Slopes of .5 and 1 did not differ.
SLOPE_PRIOR = 0.5
BIAS_PRIOR = 2.0
LEAST_SLOPE = 0.05  # a tagger that ranks the wrong way round is silenced, not turned round
FLOOR = 1e-6  # as small as the table's probabilities get
_STEPS, _CLOSE = 60, 1e-9


@dataclass(frozen=True, slots=True)
class Scaling:
    """The parameters for one head."""

    slope: float  # of log probabilities, at least LEAST_SLOPE
    bias: tuple[float, ...]  # one an outcome


def fit_scaling(found: NDArray[np.float64], truth: NDArray[np.int64], weight: NDArray[np.float64]) -> Scaling:
    """(m, outcomes) probabilities, (m,) positions of the true outcome, (m,) weights -> the parameters likeliest a
    posteriori.

    Weights are scaled to sum to the number of equal labels that they are worth (Kish 1965), so that unequal ones do
    not outweigh the priors.
    """
    logs, said = np.log(np.maximum(found, FLOOR)), np.eye(found.shape[1])[truth]
    weight = weight * weight.sum() / (weight**2).sum()
    point = _minimise(logs, said, weight, 1.0, slice(None))
    if point[0] < LEAST_SLOPE:
        point = _minimise(logs, said, weight, LEAST_SLOPE, slice(1, None))
    return Scaling(float(point[0]), tuple(float(value) for value in point[1:]))


def apply_scaling(scaling: Scaling, found: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., outcomes) -> (..., outcomes), sum 1; NaN stays NaN."""
    logits = scaling.slope * np.log(np.maximum(found, FLOOR)) + np.array(scaling.bias)
    return _softmax(np.where(np.isnan(found), np.nan, logits))


def cross_fit(
    found: NDArray[np.float64], truth: NDArray[np.int64], weight: NDArray[np.float64], fold: NDArray[np.int64]
) -> tuple[Scaling, tuple[Scaling, ...], NDArray[np.float64]]:
    """The model of all labels, one without each fold, and (m, outcomes) from the model that saw not the post's fold.

    ``fold`` (m,) from 0; a fold without labels gets the model of all.
    """
    whole = fit_scaling(found, truth, weight)
    held = []
    out = np.empty_like(found)
    for number in range(int(fold.max()) + 1):
        inside = fold == number
        rest = whole
        if inside.any() and not inside.all():
            rest = fit_scaling(found[~inside], truth[~inside], weight[~inside])
        held.append(rest)
        out[inside] = apply_scaling(rest, found[inside])
    return whole, tuple(held), out


def deal_folds(count: int, folds: int, seed: int) -> NDArray[np.int64]:
    """(count,): a fold each, at random and of equal sizes to within one."""
    return np.random.default_rng(seed).permutation(np.arange(count) % folds)


def log_losses(found: NDArray[np.float64], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """(m,): less the natural logarithm of the true outcome's probability."""
    return np.asarray(-np.log(np.maximum(found[np.arange(len(truth)), truth], FLOOR)))


def _minimise(
    logs: NDArray[np.float64],
    truth: NDArray[np.float64],
    weight: NDArray[np.float64],
    slope: float,
    free: slice,
) -> NDArray[np.float64]:
    """(1 + outcomes,): slope and bias by Newton's method with halved steps; the loss is convex.

    From ``slope`` and no bias; only ``free`` moves.
    """
    outcomes = logs.shape[1]
    centre = np.array([1.0] + [0.0] * outcomes)
    tight = np.array([SLOPE_PRIOR**-2] + [BIAS_PRIOR**-2] * outcomes)

    def predict(point: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """(m, outcomes) probabilities, and the loss."""
        found = _softmax(point[0] * logs + point[1:])
        known = np.log(np.maximum((found * truth).sum(1), np.finfo(float).tiny))
        return found, float(-weight @ known + 0.5 * tight @ (point - centre) ** 2)

    point = np.array([slope] + [0.0] * outcomes)
    found, value = predict(point)
    for _ in range(_STEPS):
        misses = weight[:, None] * (found - truth)
        gradient = np.append((misses * logs).sum(), misses.sum(0)) + tight * (point - centre)
        mass = weight[:, None] * found
        middle = (found * logs).sum(1, keepdims=True)
        curve = np.diag(tight)
        curve[0, 0] += (mass * logs * (logs - middle)).sum()
        curve[0, 1:] = curve[1:, 0] = (mass * (logs - middle)).sum(0)
        curve[1:, 1:] += np.diag(mass.sum(0)) - mass.T @ found
        step = np.zeros_like(point)
        step[free] = np.linalg.solve(curve[free, free], gradient[free])
        tried = predict(point - step)
        while tried[1] > value and np.abs(step).max() > _CLOSE:
            step = step / 2
            tried = predict(point - step)
        before = value
        if tried[1] <= value:
            point, (found, value) = point - step, tried
        if before - tried[1] < _CLOSE:
            break
    return point


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True))
