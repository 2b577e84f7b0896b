"""How often each true label was given each label, on the sets for development: what sensitivity bands rest on.

Labels count as a table gives them, with thresholds and abstention, and not as the likeliest ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stance.examples import Example
from stance.gold import confusion
from stance.measure.evaluate import predict_each
from stance.measure.sets import DEVELOPMENT, read_dev
from stance.records import SENTIMENTS, STANCES, StanceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stance.tagger import Tagger

Confusions = dict[str, list[list[int]]]  # measure -> rows the truth, columns the label given, "abstained" the last


def count_sets(tagger: Tagger, data: Path) -> dict[str, Confusions]:
    """Of each set for development that can be read; ``data`` is the folder of data sets."""
    found = {}
    for name in DEVELOPMENT:
        try:
            found[name] = count_confusions(tagger, read_dev(data, name))
        except StanceError:  # who measures the sets says so
            continue
    return found


def count_confusions(tagger: Tagger, examples: Sequence[Example]) -> Confusions:
    """Of the heads that it judges: stance over all sides (3, 4), toxicity of any kind (2, 2), sentiment (3, 4)."""
    limits = tagger.thresholds
    toward, predicted = predict_each(tagger, examples)
    counts: Confusions = {}
    stance = np.concatenate([np.zeros((0, len(STANCES))), *toward])
    sides = [label for example in examples for _, label in example.sides]
    if len(sides) and not np.isnan(stance).any():
        counts["stance confusion"] = _count(sides, give_labels(stance, limits.stance), len(STANCES))
    toxic = [None if None in example.toxicity else int(any(example.toxicity)) for example in examples]
    rated = [place for place, truth in enumerate(toxic) if truth is not None]
    if rated and not np.isnan(predicted.toxicity[rated]).any():
        given = (predicted.toxicity[rated] >= np.array(limits.toxicity)).any(-1).astype(int)
        truth = [int(any(examples[place].toxicity)) for place in rated]
        counts["toxicity confusion"] = confusion(truth, given.tolist(), 2).astype(int).tolist()
    toned = [place for place, example in enumerate(examples) if example.sentiment is not None]
    if toned and not np.isnan(predicted.sentiment[toned]).any():
        moods = [examples[place].sentiment or 0 for place in toned]
        given = give_labels(predicted.sentiment[toned], limits.sentiment)
        counts["sentiment confusion"] = _count(moods, given, len(SENTIMENTS))
    return counts


def give_labels(probabilities: NDArray[np.float64], threshold: float) -> NDArray[np.int64]:
    """(n, labels) -> (n,): the likeliest label, or ``labels`` for one who abstains, as ``stance.tag.judge``."""
    given = probabilities.max(-1) >= threshold
    return np.asarray(np.where(given, probabilities.argmax(-1), probabilities.shape[-1]))


def _count(truth: Sequence[int], given: NDArray[np.int64], labels: int) -> list[list[int]]:
    counts: list[list[int]] = confusion(truth, given.tolist(), labels + 1)[:labels].astype(int).tolist()
    return counts
