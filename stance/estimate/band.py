"""How far a predicted share may be off where nobody labelled: a band from the tagger's published errors.

Of a tagger's benchmark set we know how often each true label was given each label. If it errs here as there, the
labels that it gave to this thread are those rates mixed by the true shares, and the shares that explain them best
are the adjusted count (Rogan and Gladen 1978; Forman 2008; with more labels than two, least squares over shares that
add up to 1, Hopkins and King 2010). The band reaches from the lowest to the highest 95% interval, by resampling the
counts, over the sets that publish counts. It assumes that the benchmarks' error rates hold for this thread: it shows
how far known errors reach and is no confidence interval. Hand labels of a sample need no such belief.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from stance.estimate.judged import ABSTAINED_CODE, ANY, NOT_JUDGED_CODE, labels
from stance.records import SENTIMENTS, STANCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from stance.estimate.judged import Judged, Quantity

    Numbers = NDArray[np.float64]

_RESAMPLES = 200
_SEED = 20201110
_EDGE = 1e-9  # a share this far under 0 is 0, badly rounded

Counts = tuple[tuple[float, ...], ...]


def sensitivity_band(judged: Judged, quantity: Quantity, errors: Mapping[str, Any]) -> tuple[float, float] | None:
    """Where the share of a quantity lies if the tagger errs here as on its benchmark sets.

    ``errors``: set -> measure -> figures, with counts (rows the truth, columns the label given, "abstained" the last)
    under "stance confusion", "toxicity confusion" (any attribute) and "sentiment confusion". None where no set has
    them, or where the quantity is one attribute of toxicity.
    """
    given = _count_labels(judged, quantity)
    if given is None or not given.sum():
        return None
    outcomes, columns = (2, 2) if quantity.head == "toxicity" else (3, 4)
    place = {"stance": STANCES, "sentiment": SENTIMENTS}.get(quantity.head, ("", "toxic")).index(quantity.outcome)
    found: list[float] = []
    for measures in errors.values():
        counts = _read_counts(measures, f"{quantity.head} confusion", outcomes, columns)
        if counts is not None:
            found += [float(shares[place]) for shares in _span_shares(counts, tuple(given.tolist()))]
    return (min(found), max(found)) if found else None


def explain_labels(rates: Numbers, given: Numbers) -> Numbers:
    """The shares (..., k), at least 0 and with sum 1, for which ``shares @ rates`` comes nearest to ``given``.

    rates (..., k, c): of each of k true labels how often it gets each of c labels; given (c,) sums to 1. Nearest in
    squares, found by trying which shares are 0.
    """
    truths = rates.shape[-2]
    best = np.full(rates.shape[:-2], np.inf)
    shares = np.zeros(rates.shape[:-1])
    for size in range(truths, 0, -1):
        for kept in combinations(range(truths), size):
            tried = _fit_within(rates[..., kept, :], given)
            distance = ((np.einsum("...k,...kc->...c", tried, rates[..., kept, :]) - given) ** 2).sum(-1)
            better = (tried >= -_EDGE).all(-1) & (distance < best - _EDGE)
            best = np.where(better, distance, best)
            whole = np.zeros_like(shares)
            whole[..., kept] = np.clip(tried, 0, 1)
            shares = np.where(better[..., None], whole, shares)
    return shares


def _fit_within(rates: Numbers, given: Numbers) -> Numbers:
    """(..., k): least squares with sum 1, of any sign."""
    first, others = rates[..., :1, :], rates[..., 1:, :]
    steps = others - first  # (..., k - 1, c)
    square = steps @ np.swapaxes(steps, -1, -2)
    square = square + 1e-12 * np.eye(square.shape[-1])  # a tagger that takes two labels for the same
    wanted = np.einsum("...kc,...c->...k", steps, given - first[..., 0, :])
    moved = np.linalg.solve(square, wanted[..., None])[..., 0]
    return np.concatenate([1 - moved.sum(-1, keepdims=True), moved], -1)


def _count_labels(judged: Judged, quantity: Quantity) -> Numbers | None:
    """How many posts were given each label, "abstained" the last; of toxicity: not toxic, toxic."""
    if quantity.head == "toxicity":
        if quantity.subject != ANY:
            return None
        toxic = labels(judged, quantity)
        return np.array([(toxic == 0).sum(), (toxic == 1).sum()], float)
    codes = judged.sentiment_label
    if quantity.head == "stance":
        codes = judged.stance_label[:, judged.sides.index(quantity.subject)]
    codes = codes[codes != NOT_JUDGED_CODE]
    return np.array([*((codes == code).sum() for code in range(3)), (codes == ABSTAINED_CODE).sum()], float)


def _read_counts(measures: Any, name: str, outcomes: int, columns: int) -> Counts | None:
    """The counts of a set, None where it has none or they are not of this shape; each true label must occur."""
    rows = measures.get(name) if isinstance(measures, dict) else None
    if not isinstance(rows, list | tuple) or len(rows) != outcomes:
        return None
    if not all(isinstance(row, list | tuple) and len(row) == columns and _are_counts(row) for row in rows):
        return None
    return tuple(tuple(float(value) for value in row) for row in rows)


def _are_counts(row: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and value >= 0 for value in row) and sum(row) > 0


@lru_cache(maxsize=1024)
def _span_shares(counts: Counts, given: tuple[float, ...]) -> Numbers:
    """(3, k): the shares of all true labels by the counts as they are, and both ends over resamples of them."""
    labelled = np.array(given)
    shares = explain_labels(_resample_rates(counts), labelled / labelled.sum())
    return np.stack([shares[0], *np.quantile(shares[1:], [0.025, 0.975], axis=0)])


@lru_cache(maxsize=64)
def _resample_rates(counts: Counts) -> Numbers:
    """(1 + resamples, k, c): rates by true label, first of the counts as they are, then of resamples of them.

    A true label that a resample lost keeps its rates. Counts are of single labels: those of one text may go together,
    so a band can be a little narrow.
    """
    table = np.array(counts)
    total = int(table.sum())
    drawn = np.random.default_rng(_SEED).multinomial(total, table.ravel() / table.sum(), size=_RESAMPLES)
    every = np.concatenate([table[None], drawn.reshape(-1, *table.shape)])
    every = np.where(every.sum(-1, keepdims=True) > 0, every, table)
    return np.asarray(every / every.sum(-1, keepdims=True))
