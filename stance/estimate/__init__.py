"""Numbers from the rows of a table: shares with intervals, and what goes with what.

Rows are those of ``stance.table.table_rows``. Only judged posts count: posts that hold words of their own and carry
a tag. The article is never among them. What a tagger does not judge is null in the rows and in no share here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import atanh, sqrt, tanh
from statistics import NormalDist
from typing import Any

from stance.records import SENTIMENTS, STANCES, TOXICITY

Row = Mapping[str, Any]

# An interval around a predicted share knows nothing of the tagger's own error; the basis stands beside every share.
PREDICTED = "predicted, not validated"
CORRECTED = "corrected"  # by hand labels of a random sample
GOLD_ONLY = "hand labels alone"  # too few of them have it for a correction
IN_FULL = "labelled in full"  # by hand, every post
ABSTAINED = "abstained"
NOT_JUDGED = "not judged"  # by this tagger: not among the outcomes that are counted
HEADS = ("stance", "toxicity", "sentiment")
STANCE_OUTCOMES = (*STANCES, ABSTAINED)
SENTIMENT_OUTCOMES = (*SENTIMENTS, ABSTAINED)

CONFIDENCE = 0.95
# Fewer pairs give a rank correlation whose interval spans nearly everything.
_LEAST_PAIRS = 10


@dataclass(frozen=True, slots=True)
class Share:
    """A part of ``n`` posts, with its 95% interval."""

    count: int  # posts that the tagger labels so
    n: int  # at least 1
    share: float  # 0 to 1; where people labelled a sample, not count / n
    low: float
    high: float
    basis: str  # what the figure rests on
    labelled: int = 0  # posts that people labelled, of which it knows
    positives: int = 0  # how many of these have it
    error: float | None = None  # standard error of a corrected share
    band: tuple[float, float] | None = None  # where the share lies if the tagger errs here as on its test sets


@dataclass(frozen=True, slots=True)
class Association:
    """Spearman's rank correlation of two numbers of each post, with its 95% interval."""

    rho: float  # -1 to 1
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Crossing:
    """The posts of one stance toward one side: their sentiment, and how many are toxic."""

    stance: str  # of STANCE_OUTCOMES
    sentiment: dict[str, int]  # posts by SENTIMENT_OUTCOMES
    toxic: Share | None  # None where no post takes the stance and is judged for toxicity


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive posts of a thread, counted together."""

    first: int  # position of the first post
    last: int  # position of the last post
    n: int  # judged posts among them
    stance: tuple[dict[str, int], ...]  # posts by STANCE_OUTCOMES, one a side
    toxic: int


def wilson_interval(count: int, n: int) -> tuple[float, float]:
    """The 95% Wilson score interval of ``count`` in ``n``, without continuity correction."""
    if not 0 <= count <= n or n == 0:
        raise ValueError(f"{count} of {n} is no share")
    deviate = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share, scale = count / n, 1 + deviate**2 / n
    centre = (share + deviate**2 / (2 * n)) / scale
    reach = deviate / scale * sqrt(share * (1 - share) / n + deviate**2 / (4 * n**2))
    # rounding leaves the exact ends 0 and 1 a hair off
    return (0.0 if count == 0 else centre - reach), (1.0 if count == n else centre + reach)


def estimate_share(count: int, n: int) -> Share:
    """A predicted share with its Wilson interval; ``n`` must be at least 1."""
    low, high = wilson_interval(count, n)
    return Share(count, n, count / n, low, high, PREDICTED)


def judged_posts(rows: Sequence[Row]) -> list[Row]:
    """The rows that shares are taken over."""
    return [row for row in rows if row["kind"] == "post" and row_heads(row)]


def row_heads(row: Row) -> tuple[str, ...]:
    """Which of HEADS a row is judged on; none where it has no words or the tagger gave no answer."""
    if not row["words"]:
        return ()
    values = {"stance": [judged["favor"] for judged in row["stance"]], "toxicity": row["toxicity"].values()}
    values["sentiment"] = [row["sentiment"]["neutral"]]
    return tuple(head for head in HEADS if any(value is not None for value in values[head]))


def judged_heads(rows: Sequence[Row]) -> tuple[str, ...]:
    """Which of HEADS any post is judged on."""
    found = {head for row in judged_posts(rows) for head in row_heads(row)}
    return tuple(head for head in HEADS if head in found)


def stance_outcome(row: Row, side: int) -> str:
    """The row's label toward a side (index), "abstained" or "not judged"."""
    judged = row["stance"][side]
    return judged["label"] or (NOT_JUDGED if judged["favor"] is None else ABSTAINED)


def sentiment_outcome(row: Row) -> str:
    """The row's sentiment label, "abstained" or "not judged"."""
    judged = row["sentiment"]
    return judged["label"] or (NOT_JUDGED if judged["neutral"] is None else ABSTAINED)


def present_attributes(row: Row, threshold: Sequence[float]) -> tuple[str, ...]:
    """The toxicity attributes at or over their threshold (one each, as TOXICITY); any one makes a post toxic."""
    if not row["words"]:
        return ()
    values = ((name, cut, row["toxicity"][name]) for name, cut in zip(TOXICITY, threshold, strict=True))
    return tuple(name for name, cut, value in values if value is not None and value >= cut)


def stance_shares(rows: Sequence[Row], side: int) -> dict[str, Share]:
    """Shares by STANCE_OUTCOMES toward a side (index); empty where no post is judged."""
    return _shares([stance_outcome(row, side) for row in judged_posts(rows)], STANCE_OUTCOMES)


def sentiment_shares(rows: Sequence[Row]) -> dict[str, Share]:
    """Shares by SENTIMENT_OUTCOMES; empty where no post is judged."""
    return _shares([sentiment_outcome(row) for row in judged_posts(rows)], SENTIMENT_OUTCOMES)


def toxicity_shares(rows: Sequence[Row], threshold: Sequence[float]) -> dict[str, Share]:
    """The share of posts with each attribute that is judged, and with "any" of them; empty where none is."""
    posts = [row for row in judged_posts(rows) if "toxicity" in row_heads(row)]
    if not posts:
        return {}
    present = [present_attributes(row, threshold) for row in posts]
    judged = [name for name in TOXICITY if any(row["toxicity"][name] is not None for row in posts)]
    shares = {name: estimate_share(sum(name in found for found in present), len(present)) for name in judged}
    return {**shares, "any": estimate_share(sum(map(bool, present)), len(present))}


def cross_stance(rows: Sequence[Row], side: int, threshold: Sequence[float]) -> list[Crossing]:
    """What the posts of each of STANCE_OUTCOMES toward a side (index) have for sentiment and toxicity."""
    crossings = []
    for outcome in STANCE_OUTCOMES:
        posts = [row for row in judged_posts(rows) if stance_outcome(row, side) == outcome]
        toxic = toxicity_shares(posts, threshold).get("any")
        crossings.append(
            Crossing(
                outcome,
                _counts([sentiment_outcome(row) for row in posts], SENTIMENT_OUTCOMES),
                toxic,
            )
        )
    return crossings


def split_thread(rows: Sequence[Row], stretches: int, threshold: Sequence[float]) -> list[Stretch]:
    """The thread in ``stretches`` runs of consecutive posts, equal in length to within one post."""
    posts = [row for row in rows if row["kind"] == "post"]
    sides = next((len(row["stance"]) for row in posts if row["stance"]), 0)
    edges = [round(index * len(posts) / stretches) for index in range(stretches + 1)]
    found = []
    for first, end in pairwise(edges):
        judged = judged_posts(posts[first:end])
        stance = tuple(_counts([stance_outcome(row, side) for row in judged], STANCE_OUTCOMES) for side in range(sides))
        toxic = sum(bool(present_attributes(row, threshold)) for row in judged)
        found.append(Stretch(first, end - 1, len(judged), stance, toxic))
    return found


def rank_association(first: Sequence[float], second: Sequence[float]) -> Association | None:
    """Spearman's rho of two equally long lists; None for fewer than ten pairs or where one list is constant.

    Interval: Fisher's transformation with the variance of Bonett and Wright (2000). It takes the posts for
    independent, which posts of one author are not.
    """
    n = len(first)
    if n < _LEAST_PAIRS or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    from scipy.stats import spearmanr

    rho = float(spearmanr(first, second).statistic)
    if abs(rho) >= 1:
        return Association(rho, rho, rho, n)
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * sqrt((1 + rho**2 / 2) / (n - 3))
    return Association(rho, tanh(atanh(rho) - reach), tanh(atanh(rho) + reach), n)


def _shares(outcomes: Sequence[str], names: Sequence[str]) -> dict[str, Share]:
    outcomes = [outcome for outcome in outcomes if outcome != NOT_JUDGED]
    if not outcomes:
        return {}
    return {name: estimate_share(count, len(outcomes)) for name, count in _counts(outcomes, names).items()}


def _counts(outcomes: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    return {name: outcomes.count(name) for name in names}
