"""95% intervals of shares from a labelled sample: Wilson's of a simple sample, its like of a stratified one.

Both invert the score test: a share belongs to the interval if the data lie within 1.96 standard errors of it, the
error taken at that share and not at the estimate (Wilson 1927). So they never have width 0 because all labels happen
to agree. A finite population and a tagger that helps enter as a larger effective sample. Arrays may have leading axes
(runs of a simulation); the last axis of a stratified sample is its cells.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from stance.estimate import CONFIDENCE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

DEVIATE = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
_STEPS = 45  # of bisection, on a scale where 30 is as good as without end
_FAR = 30.0
_ROUNDING = 1e-24  # where all labels say yes, the variance starts at 0 and the sum of the weights is 1 but for rounding


def wilson_bounds(share: Numbers, unit: Numbers) -> tuple[Numbers, Numbers]:
    """Lower and upper end; ``unit`` is 1 / n, of a sample with a finite-population factor (1 - n / N) / n."""
    scale = 1 + DEVIATE**2 * unit
    centre = (share + DEVIATE**2 * unit / 2) / scale
    reach = DEVIATE / scale * np.sqrt(share * (1 - share) * unit + (DEVIATE * unit) ** 2 / 4)
    # rounding leaves the exact ends 0 and 1 a hair off
    return np.where(share == 0, 0.0, centre - reach), np.where(share == 1, 1.0, centre + reach)


def score_bounds(shares: Numbers, weights: Numbers, units: Numbers) -> tuple[Numbers, Numbers]:
    """Ends of the interval of ``shares @ weights``: shares (..., h) of h cells, each with its weight and its 1 / n.

    With one cell this is ``wilson_bounds``. The shares of the cells under a hypothesis are the likeliest that add up
    to it, as Miettinen and Nurminen (1985) have it for two groups. Adding up each cell's own Wilson interval, or a
    variance taken at the estimate, covered less evenly in trials.
    """
    if weights.shape == (1,):
        return wilson_bounds(shares[..., 0], units[..., 0])
    estimate = shares @ weights
    pull = weights * units
    ends = []
    for sign in (-1, 1):
        near, far = np.zeros(estimate.shape), np.full(estimate.shape, _FAR)
        for _ in range(_STEPS):
            middle = (near + far) / 2
            moved = _pull_shares(shares, sign * np.sinh(middle)[..., None] * pull)
            variance = (moved * (1 - moved) * units) @ weights**2
            inside = (moved @ weights - estimate) ** 2 <= DEVIATE**2 * variance + _ROUNDING
            near, far = np.where(inside, middle, near), np.where(inside, far, middle)
        ends.append(_pull_shares(shares, sign * np.sinh(far)[..., None] * pull) @ weights)
    return np.minimum(ends[0], estimate), np.maximum(ends[1], estimate)


def move_shares(shares: Numbers, weights: Numbers, units: Numbers, wanted: Numbers) -> Numbers:
    """The likeliest shares of the cells (..., h) that add up to ``wanted`` (...), between 0 and 1."""
    if weights.shape == (1,):
        return wanted[..., None]
    pull = weights * units
    low, high = np.full(wanted.shape, -_FAR), np.full(wanted.shape, _FAR)
    for _ in range(_STEPS + 1):
        middle = (low + high) / 2
        under = _pull_shares(shares, np.sinh(middle)[..., None] * pull) @ weights < wanted
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return _pull_shares(shares, np.sinh((low + high) / 2)[..., None] * pull)


def _pull_shares(shares: Numbers, pull: Numbers) -> Numbers:
    """The root p of ``pull * p * (1 - p) = p - share``: where the likelihood of a cell falls by its multiplier.

    A cell without a positive stays at 0 until the pull is over 1, as Wilson's upper end of 0 in n does.
    """
    root = np.sqrt(np.maximum((1 - pull) ** 2 + 4 * pull * shares, 0))
    strong = pull >= 1  # of the two ways to write the root, the one that does not cancel
    weak_sum = np.where(strong, 1, 1 - pull + root)
    moved = np.where(strong, (root - 1 + pull) / (2 * np.where(strong, pull, 1)), 2 * shares / weak_sum)
    return np.clip(moved, 0, 1)
