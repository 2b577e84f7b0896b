"""What plain methods get on the same sets, so that a tagger's gain is visible.

A baseline is a tagger that judges some heads only, so its figures come from the functions that measure the real one.
Each set's baseline learns from that set's own training split, or, where a set has none, from the nearest one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stance.examples import Example, join_characters, read_set
from stance.gold import span_f1
from stance.measure.evaluate import Result
from stance.measure.plain import LinearModel, PlainTagger, TargetModel, load_vader, mark_words, weigh_words
from stance.measure.sets import DEVELOPMENT, Evaluate, Target, make_target, read_labelled
from stance.measure.suite import SUITE, Note, evaluate_suite
from stance.measure.tone import HATE, make_hate, measure_hate
from stance.records import SENTIMENTS, TOXICITY, StanceError
from stance.tagger import Tagger

if TYPE_CHECKING:
    from stance.measure.plain import Judge

CONFLICT_TRAIN = ("conflict/tweets_train", "conflict/forum_train", "own/authored_train")
JIGSAW_TRAIN = ("toxicity/jigsaw_multilabel", "toxicity/jigsaw_train_nontoxic")


def evaluate_baselines(
    data: Path, note: Note, sets: Mapping[str, Evaluate] | None = None
) -> Iterator[tuple[str, Result]]:
    """("TF-IDF" or "VADER", result) for every measure of every set that a plain method can be trained for.

    ``sets`` and ``note`` as ``suite.evaluate_suite``. StanceError where VADER is not installed.
    """
    vader = PlainTagger("VADER", sentiment=load_vader())
    trained: dict[Trainer, Tagger] = {}
    for name, evaluate in (SUITE if sets is None else sets).items():
        try:
            if name == "hatexplain":
                yield "TF-IDF", evaluate_hate_words(data, name)
            elif name in TRAINERS:
                trainer = TRAINERS[name]
                if trainer not in trained:
                    trained[trainer] = trainer(data)
                yield from (
                    ("TF-IDF", result) for result in evaluate_plain(trained[trainer], data, note, name, evaluate)
                )
            if name in VADER_SETS:
                yield from (("VADER", result) for result in evaluate_plain(vader, data, note, name, evaluate))
        except StanceError as error:
            note(error)


def evaluate_plain(tagger: Tagger, data: Path, note: Note, name: str, evaluate: Evaluate) -> Iterator[Result]:
    """The figures of one set that can be compared: balanced weights and bare labels have no calibration to speak of."""

    def hear(line: str | StanceError) -> None:
        if isinstance(line, StanceError):  # that a baseline lacks heads is known
            note(line)

    for result in evaluate_suite(tagger, data, hear, {name: evaluate}):
        if not result.measure.endswith(("ECE", "coverage", "where given")):
            yield result


Trainer = Callable[[Path], Tagger]


def train_targets(name: str) -> Trainer:
    """A stance set's own training split."""

    def train(data: Path) -> Tagger:
        return PlainTagger("TF-IDF", stance=TargetModel(read_labelled(data, name, ["train"], make_target)))

    return train


def train_conflict(data: Path) -> Tagger:
    """Stance, toxicity and sentiment from the hand-labelled posts on conflicts."""
    return fit_conflict([example for name in CONFLICT_TRAIN for example in read_set(data, name)])


def train_bare(data: Path) -> Tagger:
    """The same without hashtags."""
    examples = [example for name in CONFLICT_TRAIN for example in read_set(data, name)]
    return fit_conflict([replace(example, text=re.sub(r"#\w+", " ", example.text)) for example in examples])


def fit_conflict(examples: Sequence[Example]) -> Tagger:
    rows = [Target(example.text, name, label) for example in examples for name, label in example.sides]
    moods = [(example.text, example.sentiment) for example in examples if example.sentiment is not None]
    sentiment = LinearModel(len(SENTIMENTS)).fit([text for text, _ in moods], [mood for _, mood in moods])
    return PlainTagger("TF-IDF", TargetModel(rows), fit_attributes(examples, ["toxicity"]), sentiment.predict)


def train_toxicity(*names: str, attributes: Sequence[str] = TOXICITY) -> Trainer:
    """Attributes from the training splits of sets of toxicity."""

    def train(data: Path) -> Tagger:
        examples = [example for name in names for example in read_set(data, name)]
        return PlainTagger("TF-IDF", toxicity=fit_attributes(examples, attributes))

    return train


def fit_attributes(examples: Sequence[Example], attributes: Sequence[str]) -> dict[str, Judge]:
    """A model an attribute, from the rows that know it."""
    judges: dict[str, Judge] = {}
    for attribute in attributes:
        place = TOXICITY.index(attribute)
        known = [(example.text, value) for example in examples if (value := example.toxicity[place]) is not None]
        model = LinearModel(2).fit([text for text, _ in known], [value for _, value in known])
        judges[attribute] = model.predict
    return judges


def train_sentiment(name: str) -> Trainer:
    def train(data: Path) -> Tagger:
        rows = [(one.text, one.sentiment) for one in read_set(data, name) if one.sentiment is not None]
        model = LinearModel(len(SENTIMENTS)).fit([text for text, _ in rows], [label for _, label in rows])
        return PlainTagger("TF-IDF", sentiment=model.predict)

    return train


def train_spans(data: Path) -> Tagger:
    """Words whose log-odds of being inside a span pass a threshold, which is chosen on every fifth training row."""
    path = "toxicity/toxic_spans"
    rows = read_labelled(data, path, ["train"], lambda row: (row["text"], list(join_characters(row["spans"]))))
    held, rest = rows[::5], [row for place, row in enumerate(rows) if place % 5] or rows
    odds = weigh_words(rest)

    def score(threshold: float) -> float:
        return float(np.mean([span_f1(spans, mark_words(text, odds, threshold)) for text, spans in held]))

    threshold = max((step / 4 for step in range(-12, 13)), key=score)
    odds = weigh_words(rows)
    return PlainTagger("TF-IDF", spans=lambda text: mark_words(text, odds, threshold))


def evaluate_hate_words(data: Path, name: str) -> Result:
    """HateXplain by its own words, for which the tagger needs a probe."""
    train, test = (read_labelled(data, "toxicity/hatexplain", [split], make_hate) for split in ("train", "test"))
    model = LinearModel(len(HATE)).fit([text for text, _ in train], [label for _, label in train])
    return measure_hate(name, [label for _, label in test], model.predict([text for text, _ in test]).argmax(-1))


VADER_SETS = {*DEVELOPMENT, "tweeteval_sentiment", "goemotions"}
_JIGSAW = train_toxicity(*JIGSAW_TRAIN)
TRAINERS: dict[str, Trainer] = {
    **dict.fromkeys(DEVELOPMENT, train_conflict),
    "tweets_dev, no hashtags": train_bare,
    "tweeteval_sentiment": train_sentiment("sentiment/semeval2017_sentiment"),
    **{name: train_targets(f"stance/{name}") for name in ("vast", "ruw", "pstance", "mt_csd")},
    "newsmtsc_rw": train_targets("stance/newsmtsc"),
    "kaggle_insults": train_toxicity("toxicity/kaggle_insults", attributes=["insult"]),
    **dict.fromkeys(
        ("jigsaw_test_toxic", "jigsaw_multilabel", "bias_madlibs, 10,000", "nation_probe"),
        _JIGSAW,
    ),
    "toxic_spans": train_spans,
    "goemotions": train_sentiment("sentiment/goemotions"),
}
