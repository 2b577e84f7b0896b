"""How grave a post is expected to be, and which of three bands it falls in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stance.estimate.judged import ANY, Judged, Quantity, probabilities, read_judged
from stance.records import TOXICITY

if TYPE_CHECKING:
    import pyarrow as pa

# How grave one attribute is beside the others: a threat is to be read before an attack on a group, that before an
# insult, and foul language alone last. Expected severity is the sum of weight times probability, so that a likely
# insult may stand before an unlikely threat. The order is a judgement; how far apart the weights lie was chosen among
# a few on the splits for choosing in tests/bench/ranking.py. Steeper ones find fewer of the posts that people call
# toxic.
WEIGHTS = {"threat": 1.0, "identity_attack": 0.8, "insult": 0.6, "toxicity": 0.6, "obscene": 0.4}
MOST_SEVERE = sum(WEIGHTS.values())

BANDS = ("likely", "review", "clear")
# Before moderators have decided anything: of an attribute's threshold, from which a post is worth a look.
MAYBE = 0.5


@dataclass(frozen=True, slots=True)
class Scored:
    """What the queue knows of a judged post."""

    thread: str
    post: str  # id in the thread
    row: int  # of its table
    severity: float  # sum of weight times probability, over the attributes that are judged
    attribute: str  # of TOXICITY: the one that lies highest over its threshold, or nearest to it
    probability: float  # of that attribute
    threshold: float  # of that attribute, the tagger's
    expected: float  # probability of the likeliest attribute: that the post is toxic, as the tagger has it
    mention: bool  # hostile words look reported or condemned, not used

    @property
    def reach(self) -> float:
        """How far the attribute is up to its threshold: 1 at it, above 1 over it."""
        return self.probability / self.threshold if self.threshold > 0 else float(self.probability > 0)


@dataclass(frozen=True, slots=True)
class Cuts:
    """Severities from which a post is likely, or worth a review; None: the tagger's thresholds stand."""

    likely: float | None = None
    review: float | None = None


def score_table(table: pa.Table) -> Iterator[Scored]:
    """Every post of a table that is judged for toxicity, in the order of its threads."""
    from stance.table import read_manifest

    manifest = read_manifest(table)
    mention = table.column("mention").to_numpy(zero_copy_only=False).astype(float)
    for judged in read_judged(table):
        yield from _score_thread(judged, np.array(manifest.toxicity_threshold), mention >= manifest.mention_threshold)


def find_band(severity: float, reach: float, mention: bool, cuts: Cuts) -> str:
    """One of BANDS. Words that are reported or condemned never make a post likely, whatever its score."""
    likely = reach >= 1 if cuts.likely is None else severity >= cuts.likely
    if likely and not mention:
        return "likely"
    return "review" if likely or (reach >= MAYBE if cuts.review is None else severity >= cuts.review) else "clear"


def find_threshold(band: str, scored: Scored, cuts: Cuts) -> tuple[str, float]:
    """What put a post into its band: "severity" or an attribute, and the value that it had to reach, or missed."""
    cut = cuts.likely if band == "likely" else cuts.review
    if cut is not None:
        return "severity", cut
    return scored.attribute, scored.threshold if band == "likely" else MAYBE * scored.threshold


def _score_thread(judged: Judged, thresholds: np.ndarray, mention: np.ndarray) -> Iterator[Scored]:
    """``thresholds`` (5,) as TOXICITY, ``mention`` (rows of the table,)."""
    toxicity = judged.toxicity
    severity = np.nan_to_num(toxicity) @ np.array([WEIGHTS[name] for name in TOXICITY])
    reach = np.nan_to_num(toxicity / np.maximum(thresholds, 1e-9), nan=-1.0)
    nearest = reach.argmax(1) if len(reach) else np.zeros(0, int)
    expected: Sequence[float] = probabilities(judged, Quantity("toxicity", ANY, "toxic")).tolist()
    for place, row in enumerate(judged.rows.tolist()):
        if np.isnan(toxicity[place]).all():
            continue
        attribute = int(nearest[place])
        yield Scored(
            thread=judged.thread,
            post=judged.ids[place],
            row=row,
            severity=round(float(severity[place]), 6),
            attribute=TOXICITY[attribute],
            probability=float(toxicity[place, attribute]),
            threshold=float(thresholds[attribute]),
            expected=expected[place],
            mention=bool(mention[row]),
        )
