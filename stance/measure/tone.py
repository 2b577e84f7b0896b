"""The sets for tests of toxicity, sentiment and mention; the functions are as those of ``sets``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stance.examples import Row, join_characters
from stance.gold import (
    RESAMPLES,
    SEED,
    Measured,
    confusion,
    macro_f1,
    macro_recall,
    measure_auc,
    measure_counts,
    measure_mean,
    positive_f1,
    span_f1,
)
from stance.measure.calibration import measure_calibration, two_labels
from stance.measure.evaluate import Result, measure_examples, one_hot, predict_each
from stance.measure.sets import draw_sample, read_dev, read_labelled
from stance.records import SENTIMENTS, TOXICITY
from stance.tagger import Predictions, Tagger

if TYPE_CHECKING:
    from numpy.typing import NDArray

JIGSAW = ("toxic", "insult", "threat", "obscene", "identity_hate")  # its names, in the order of TOXICITY
HATE = ("normal", "offensive", "hatespeech")  # of HateXplain

# Rows of the larger sets that are read; the names of the sets in ``suite`` say the same.
CONTEXT_ROWS = 5_000
MADLIBS_ROWS = 10_000
HATE_ROWS = 6_000  # that the probe learns from


def judge_toxicity(tagger: Tagger, texts: Sequence[str]) -> NDArray[np.float64]:
    """(texts, 5), last axis as TOXICITY."""
    return tagger.predict(texts, []).toxicity


def make_binary(row: Row) -> tuple[str, int]:
    return row["text"], (0, 1).index(row["label"])


def evaluate_jigsaw(tagger: Tagger, data: Path, name: str) -> Iterator[Result]:
    path = "toxicity/jigsaw_test_toxic"
    rows = read_labelled(data, path, ["test"], lambda row: (row["text"], int(row["labels"]["toxic"])))
    scores = judge_toxicity(tagger, [text for text, _ in rows])[:, 0]
    yield Result(name, "toxicity ROC AUC", measure_auc([label for _, label in rows], scores.tolist()))


def evaluate_insults(tagger: Tagger, data: Path, name: str) -> Iterator[Result]:
    rows = read_labelled(data, "toxicity/kaggle_insults", ["verification"], make_binary)
    scores = judge_toxicity(tagger, [text for text, _ in rows])[:, TOXICITY.index("insult")]
    yield Result(name, "insult ROC AUC", measure_auc([label for _, label in rows], scores.tolist()))


def evaluate_attributes(tagger: Tagger, data: Path, name: str) -> Iterator[Result]:
    """Half of its rows are toxic, by choice: calibration at the natural rate stands under context_toxicity."""
    path = "toxicity/jigsaw_multilabel"
    rows = read_labelled(data, path, ["test"], lambda row: (row["text"], [int(row["labels"][key]) for key in JIGSAW]))
    scores = judge_toxicity(tagger, [text for text, _ in rows])
    for place, attribute in enumerate(TOXICITY):
        truth = [labels[place] for _, labels in rows]
        yield Result(name, f"{attribute} ROC AUC", measure_auc(truth, scores[:, place].tolist()))
    error = measure_calibration(two_labels(scores[:, 0]), [labels[0] for _, labels in rows])
    yield Result(name, "toxicity ECE", error)


def evaluate_natural(tagger: Tagger, data: Path, name: str) -> Iterator[Result]:
    """Talk pages as they come, judged without the post before (Xenos et al. 2021): 0.6% are toxic."""
    rows = draw_sample(read_labelled(data, "toxicity/context_toxicity", ["all_gn"], make_binary), CONTEXT_ROWS)
    scores, truth = judge_toxicity(tagger, [text for text, _ in rows])[:, 0], [label for _, label in rows]
    yield Result(name, "toxicity ECE", measure_calibration(two_labels(scores), truth))


def evaluate_madlibs(tagger: Tagger, data: Path, name: str) -> Iterator[Result]:
    """Templates over 50 identity terms (Dixon et al. 2018)."""
    rows = draw_sample(read_labelled(data, "toxicity/bias_madlibs", ["test_77k"], make_binary), MADLIBS_ROWS)
    scores = judge_toxicity(tagger, [text for text, _ in rows])[:, 0]
    yield Result(name, "toxicity ROC AUC", measure_auc([label for _, label in rows], scores.tolist()))


def evaluate_nations(tagger: Tagger, data: Path, name: str) -> Iterator[Result]:
    """False alarms at the tagger's threshold: overall, of the worst group (named), and how far that is above."""
    path = "toxicity/nation_probe"
    rows = read_labelled(data, path, ["test"], lambda row: None if row["label"] else (row["text"], str(row["group"])))
    groups = sorted({group for _, group in rows})
    alarms = judge_toxicity(tagger, [text for text, _ in rows])[:, 0] >= tagger.thresholds.toxicity[0]
    members = np.array([[group == other for other in groups] for _, group in rows], float)
    rates = alarms @ members / members.sum(0)
    worst = int(rates.argmax())
    yield Result(name, "toxicity false alarms, overall", measure_mean(alarms.astype(float).tolist()))
    of_worst = measure_mean(alarms[members[:, worst] > 0].astype(float).tolist())
    yield Result(name, f"toxicity false alarms, worst: {groups[worst]}", of_worst)
    yield Result(name, "toxicity false alarms, worst group above overall", measure_excess(alarms, members))


def measure_excess(alarms: NDArray[np.bool_], members: NDArray[np.float64]) -> Measured:
    """The highest rate of a group less the overall rate; alarms (texts,), members (texts, groups) of 0 and 1.

    The highest of many resampled rates lies above the highest rate: the resamples are shifted so that their mean is
    the value, as in ``measure_calibration``.
    """
    texts = len(alarms)
    draws = np.random.default_rng(SEED).multinomial(texts, np.full(texts, 1 / texts), size=RESAMPLES)
    draws = np.vstack([np.ones(texts, int), draws])
    rates = draws @ (members * alarms[:, None]) / np.maximum(draws @ members, 1)
    excess = rates.max(-1) - draws @ alarms / texts
    value = float(excess[0])
    low, high = np.quantile(excess[1:], [0.025, 0.975]) - (excess[1:].mean() - value)
    return Measured(value, max(float(low), 0.0), float(high), texts)


def evaluate_spans(tagger: Tagger, data: Path, name: str) -> Iterator[Result]:
    """Mean over texts of the F1 of characters (SemEval-2021 task 5)."""
    path = "toxicity/toxic_spans"
    rows = read_labelled(data, path, ["test"], lambda row: (row["text"], list(join_characters(row["spans"]))))
    found = tagger.predict([text for text, _ in rows], []).toxic_spans
    scores = [span_f1(truth, given) for (_, truth), given in zip(rows, found, strict=True)]
    yield Result(name, "spans character F1", measure_mean(scores))


def make_hate(row: Row) -> tuple[str, int]:
    return row["text"], HATE.index(row["label"])


def evaluate_hate(tagger: Tagger, data: Path, name: str) -> Iterator[Result]:
    """Three classes from a probe (Mathew et al. 2021): the heads know no "offensive", so a small model reads them.

    Its inputs are the log-odds of the five attributes and the logarithms of the three sentiments; their squares and
    products too where that is better on the split for validation.
    """
    path = "toxicity/hatexplain"
    train = draw_sample(read_labelled(data, path, ["train"], make_hate), HATE_ROWS)
    splits = [train, *(read_labelled(data, path, [split], make_hate) for split in ("valid", "test"))]
    inputs = [make_inputs(tagger.predict([text for text, _ in rows], [])) for rows in splits]
    labels = [[label for _, label in rows] for rows in splits]
    trials = [fit_probe(inputs[0], labels[0], degree) for degree in (1, 2)]
    best = max(trials, key=lambda probe: float(macro_f1(confusion(labels[1], probe.predict(inputs[1]), len(HATE)))))
    yield measure_hate(name, labels[2], best.predict(inputs[2]))


def measure_hate(name: str, truth: Sequence[int], given: NDArray[np.int64]) -> Result:
    """truth and given (texts,): positions in HATE."""
    return Result(name, "toxicity probe macro-F1", measure_counts(one_hot(truth, given, len(HATE)), macro_f1))


def make_inputs(predicted: Predictions) -> NDArray[np.float64]:
    """(texts, 8): log-odds of toxicity, logarithms of sentiment."""
    toxicity, sentiment = np.clip(predicted.toxicity, 1e-6, 1 - 1e-6), np.clip(predicted.sentiment, 1e-6, 1)
    return np.hstack([np.log(toxicity / (1 - toxicity)), np.log(sentiment)])


def fit_probe(inputs: NDArray[np.float64], labels: Sequence[int], degree: int) -> Any:
    """A balanced logistic regression on the inputs (rows, 8) and their products up to a degree."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    regression = LogisticRegression(class_weight="balanced", max_iter=2000)
    products = PolynomialFeatures(degree, include_bias=False)
    return make_pipeline(StandardScaler(), products, StandardScaler(), regression).fit(inputs, labels)


def make_sentiment(row: Row) -> tuple[str, int]:
    return row["text"], SENTIMENTS.index(row["label"])


def evaluate_goemotions(tagger: Tagger, data: Path, name: str) -> Iterator[Result]:
    """Rows of one feeling (positive, neutral, negative): what is ambiguous or mixed is left out."""
    path = "sentiment/goemotions"
    rows = read_labelled(data, path, ["test"], lambda row: make_sentiment(row) if row["label"] in SENTIMENTS else None)
    found, truth = tagger.predict([text for text, _ in rows], []).sentiment, [label for _, label in rows]
    yield Result(name, "sentiment macro-F1", measure_counts(one_hot(truth, found.argmax(-1), 3), macro_f1))
    yield Result(name, "sentiment ECE", measure_calibration(found, truth))


def evaluate_tweeteval(tagger: Tagger, data: Path, name: str) -> Iterator[Result]:
    rows = read_labelled(data, "sentiment/tweeteval_sentiment_valtest", ["test"], make_sentiment)
    found, truth = tagger.predict([text for text, _ in rows], []).sentiment, [label for _, label in rows]
    yield Result(name, "sentiment macro-recall", measure_counts(one_hot(truth, found.argmax(-1), 3), macro_recall))
    yield Result(name, "sentiment ECE", measure_calibration(found, truth))


def evaluate_dev(tagger: Tagger, data: Path, name: str) -> Iterator[Result]:
    """A set for development: every head, and mention where some of its rows are labelled."""
    examples = read_dev(data, name)
    yield from measure_examples(tagger, examples, name)
    known = [example for example in examples if example.sentiment is not None]
    moods = [example.sentiment for example in known if example.sentiment is not None]
    yield Result(name, "sentiment ECE", measure_calibration(predict_each(tagger, known)[1].sentiment, moods))
    labelled = [(example.text, example.mention) for example in examples if example.mention is not None]
    found = tagger.predict([text for text, _ in labelled], []).mention if labelled else None
    if found is not None:
        truth, given = np.array([label for _, label in labelled]), found >= tagger.thresholds.mention
        yield Result(name, "mention accuracy", measure_mean((truth == given).astype(float).tolist()))
        yield Result(name, "mention F1", measure_counts(one_hot(truth, given, 2), positive_f1))
