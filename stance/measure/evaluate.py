"""How good a tagger is on texts whose labels are all known: one measure a row, with n and a 95% bootstrap interval.

Where the tagger may abstain it is asked all the same: the likeliest label counts. Coverage and what is right among the
labels that it gives stand in rows of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stance.examples import Example, read_conflict
from stance.gold import Measured, confusion, macro_f1, measure_auc, measure_counts, named_precision, positive_f1
from stance.measure.calibration import measure_calibration
from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError, Thread, Topic
from stance.tagger import Predictions, Tagger

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Result:
    """One measure of one set."""

    name: str  # of the set
    measure: str
    measured: Measured


def evaluate_thread(tagger: Tagger, thread: Thread, topic: Topic, gold: Path) -> Iterator[Result]:
    """A thread against a file of labels, one JSON line a post: number, stance by side, toxicity, sentiment."""
    try:
        lines = gold.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StanceError(f"{gold}: the labels cannot be read ({error}): name them with --gold") from error
    labels = {}
    for line, text in enumerate(lines, start=1):
        try:
            row = json.loads(text)
            (labels[str(row["number"])],) = read_conflict([{**row, "text": ""}])
        except (ValueError, KeyError, TypeError) as error:
            remedy = "give number, stance by side, toxicity and sentiment, with the labels of the codebook"
            raise StanceError(f"{gold}:{line}: not a row of labels ({error!r}): {remedy}") from error
    posts = [post for post in thread.posts if post.number in labels]
    if not posts:
        raise StanceError(f"{gold}: no label for any post of {thread.source}: labels go by the post's number")
    targets = {side.name: side.target for side in topic.sides}
    examples = []
    for post in posts:
        example = labels[str(post.number)]
        sides = tuple((targets.get(name, name), label) for name, label in example.sides)
        examples.append(replace(example, text=post.own_words, sides=sides))
    yield from measure_examples(tagger, examples, thread.id)


def measure_examples(tagger: Tagger, examples: Sequence[Example], name: str) -> Iterator[Result]:
    """Everything about texts whose labels are all known."""
    stance, predicted = predict_each(tagger, examples)
    counts = count_stances(examples, stance)
    yield Result(name, "stance macro-F1", measure_counts(counts, macro_f1))
    yield Result(name, "precision of favor and against", measure_counts(counts, named_precision))
    probabilities = np.concatenate([row for row in stance if len(row)])
    truth = [label for example in examples for _, label in example.sides]
    texts = [number for number, example in enumerate(examples) for _ in example.sides]
    yield Result(name, "stance ECE", measure_calibration(probabilities, truth, texts))
    given = probabilities.max(-1) >= tagger.thresholds.stance
    yield Result(name, "stance coverage", plain(float(given.mean()), len(examples)))
    right = (probabilities.argmax(-1) == np.array(truth))[given]
    yield Result(name, "stance accuracy where given", plain(float(right.mean()), len(examples)))
    toxic = np.array([example.toxicity[0] for example in examples], int)
    found = (predicted.toxicity[:, 0] >= tagger.thresholds.toxicity[0]).astype(int)
    yield Result(name, "toxicity F1", measure_counts(one_hot(toxic, found, 2), positive_f1))
    yield Result(name, "toxicity ROC AUC", measure_auc(toxic.tolist(), predicted.toxicity[:, 0].tolist()))
    moods = [example.sentiment for example in examples if example.sentiment is not None]
    moods_counted = one_hot(moods, predicted.sentiment.argmax(-1), len(SENTIMENTS))
    yield Result(name, "sentiment macro-F1", measure_counts(moods_counted, macro_f1))


def measure_stance(examples: Sequence[Example], stance: Sequence[NDArray[np.float64]], name: str) -> Result:
    """Macro-F1 over the three classes, all sides pooled."""
    return Result(name, "stance macro-F1", measure_counts(count_stances(examples, stance), macro_f1))


def count_stances(examples: Sequence[Example], stance: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """(texts, 3, 3): a confusion matrix a text, over its sides."""
    labels = [[label for _, label in example.sides] for example in examples]
    return np.array([confusion(row, p.argmax(-1), len(STANCES)) for row, p in zip(labels, stance, strict=True)])


def predict_each(tagger: Tagger, examples: Sequence[Example]) -> tuple[list[NDArray[np.float64]], Predictions]:
    """Stance of each text toward its own sides, (sides, 3) each, and the rest; the same sides share a call."""
    by_sides: dict[tuple[str, ...], list[int]] = {}
    for index, example in enumerate(examples):
        by_sides.setdefault(tuple(name for name, _ in example.sides), []).append(index)
    stance: list[NDArray[np.float64]] = [np.zeros((0, len(STANCES)))] * len(examples)
    toxicity = np.zeros((len(examples), len(TOXICITY)))
    sentiment = np.zeros((len(examples), len(SENTIMENTS)))
    for sides, indices in by_sides.items():
        predicted = tagger.predict([examples[index].text for index in indices], sides)
        toxicity[indices], sentiment[indices] = predicted.toxicity, predicted.sentiment
        for place, index in enumerate(indices):
            stance[index] = predicted.stance[place]
    return stance, Predictions(np.zeros((0, 0, len(STANCES))), toxicity, sentiment)


def one_hot(truth: Iterable[int], predicted: Iterable[int], labels: int) -> NDArray[np.float64]:
    """(texts, labels, labels): one confusion matrix a text."""
    return np.array([confusion([t], [p], labels) for t, p in zip(truth, predicted, strict=True)])


def plain(value: float, texts: int) -> Measured:
    """A figure without an interval of its own."""
    return Measured(value, float("nan"), float("nan"), texts)


def as_metrics(results: Iterable[Result]) -> dict[str, Any]:
    """What ``metrics.json`` holds: set -> measure -> value, low, high, n; an interval only where known."""
    metrics: dict[str, Any] = {}
    for result in results:
        found = result.measured
        figures: dict[str, float] = {"value": round(found.value, 4), "n": found.n}
        if not np.isnan(found.low):
            figures |= {"low": round(found.low, 4), "high": round(found.high, 4)}
        metrics.setdefault(result.name, {})[result.measure] = figures
    return metrics
