"""The whole suite: every set for tests from one folder, through the Tagger protocol alone.

A head that a tagger lacks (NaN) is no failure: its rows are left out and said to be. Figures of a tagger trained
without a set come from running the suite with that tagger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stance.gold import Measured
from stance.measure.audit import SWAPPED_SETS, measure_swap
from stance.measure.calibration import two_labels
from stance.measure.evaluate import Result, predict_each
from stance.measure.sets import (
    DEVELOPMENT,
    Evaluate,
    evaluate_bare,
    evaluate_pstance,
    evaluate_targets,
    evaluate_vast,
    read_dev,
    read_labelled,
)
from stance.measure.tone import (
    evaluate_attributes,
    evaluate_dev,
    evaluate_goemotions,
    evaluate_hate,
    evaluate_insults,
    evaluate_jigsaw,
    evaluate_madlibs,
    evaluate_nations,
    evaluate_natural,
    evaluate_spans,
    evaluate_tweeteval,
    make_sentiment,
)
from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError
from stance.tagger import Predictions, Tagger, Thresholds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stance.measure.calibration import Answers

Note = Callable[[str | StanceError], None]  # hears of what is left out and of what failed


def evaluate_swap(tagger: Tagger, data: Path, name: str) -> Iterator[Result]:
    """How far the stances of a set, the name's first part, fail to mirror when two nations change places."""
    yield Result(name, "change of mirrored probability", measure_swap(tagger, read_dev(data, name.split(",")[0])))


SUITE: dict[str, Evaluate] = {
    **dict.fromkeys(DEVELOPMENT, evaluate_dev),
    "tweets_dev, no hashtags": evaluate_bare,
    **{f"{name}, sides swapped": evaluate_swap for name in SWAPPED_SETS},
    "vast": evaluate_vast,
    "ruw": evaluate_targets("stance/ruw", "test"),
    "pstance": evaluate_pstance,
    "mt_csd": evaluate_targets("stance/mt_csd", "test", named=True),
    "newsmtsc_rw": evaluate_targets("stance/newsmtsc", "devtest_rw"),
    "jigsaw_test_toxic": evaluate_jigsaw,
    "kaggle_insults": evaluate_insults,
    "jigsaw_multilabel": evaluate_attributes,
    "context_toxicity, 5,000": evaluate_natural,
    "toxic_spans": evaluate_spans,
    "hatexplain": evaluate_hate,
    "bias_madlibs, 10,000": evaluate_madlibs,
    "nation_probe": evaluate_nations,
    "tweeteval_sentiment": evaluate_tweeteval,
    "goemotions": evaluate_goemotions,
}

HEADS = {"stance", "sentiment", "mention", "spans", *TOXICITY}
HEAD_OF = {"precision": "stance", "change": "stance"}  # where the first word of a measure is not the head itself


def evaluate_suite(
    tagger: Tagger, data: Path, note: Note, sets: Mapping[str, Evaluate] | None = None
) -> Iterator[Result]:
    """Every measure of every set, as they come; ``sets`` (name -> function) instead of SUITE.

    ``note`` hears a line for each row that is left out because the tagger does not judge it, and the StanceError of a
    set that cannot be read or judged; the other sets go on.
    """
    asked = tagger if isinstance(tagger, Remembered) else Remembered(tagger)
    for name, evaluate in (SUITE if sets is None else sets).items():
        asked.unjudged.clear()
        try:
            results = list(evaluate(asked, data, name))
        except StanceError as error:
            note(error)
            continue
        yield from keep_judged(asked, results, note)


def keep_judged(asked: Remembered, results: Sequence[Result], note: Callable[[str], None]) -> Iterator[Result]:
    """The results whose head the tagger judged in every text since its count was last cleared."""
    for result in results:
        head = find_head(result.measure)
        if head in asked.unjudged:
            texts = len(asked.unjudged[head])
            note(f"{result.name}: {result.measure} left out: {asked.name} does not judge {head} (texts: {texts})")
        else:
            yield result


def find_head(measure: str) -> str:
    """What of a tagger a measure judges: a member of HEADS, by the measure's first word."""
    first = measure.split()[0]
    head = HEAD_OF.get(first, first)
    if head not in HEADS:
        raise ValueError(f"measure {measure!r}: begin its name with one of {sorted(HEADS)}")  # a bug, not bad input
    return head


class Answer(NamedTuple):
    """What a tagger says of one text; NaN where it does not judge."""

    stance: NDArray[np.float64]  # (sides, 3)
    toxicity: NDArray[np.float64]  # (5,)
    sentiment: NDArray[np.float64]  # (3,)
    mention: float
    spans: tuple[tuple[int, int], ...] | None  # None: not judged


class Remembered:
    """A tagger that judges each text toward the same sides once, and keeps count of what it does not judge.

    In place of NaN it answers with equal probabilities, so that every measure can be taken; ``unjudged``, head ->
    texts, says which of them mean nothing.
    """

    def __init__(self, tagger: Tagger) -> None:
        self.tagger = tagger
        self.name = tagger.name
        self.sha256 = tagger.sha256
        self.thresholds: Thresholds = tagger.thresholds
        self.languages: tuple[str, ...] = tagger.languages
        self.errors: dict[str, Any] = tagger.errors
        self.unjudged: dict[str, set[str]] = {}
        self._answers: dict[tuple[str, tuple[str, ...]], Answer] = {}

    def predict(
        self, texts: Sequence[str], sides: Sequence[str], advance: Callable[[int], None] | None = None
    ) -> Predictions:
        """As ``Tagger.predict``, without NaN; ``advance`` hears of the texts that were not judged before."""
        names = tuple(sides)
        new = [text for text in dict.fromkeys(texts) if (text, names) not in self._answers]
        if new:
            found = self.tagger.predict(new, sides, advance)
            for place, text in enumerate(new):
                self._answers[text, names] = take_answer(found, place)
        answers = [self._answers[text, names] for text in texts]
        stance = np.array([one.stance for one in answers]).reshape(len(answers), len(names), len(STANCES))
        toxicity = np.array([one.toxicity for one in answers]).reshape(len(answers), len(TOXICITY))
        sentiment = np.array([one.sentiment for one in answers]).reshape(len(answers), len(SENTIMENTS))
        mention = np.array([one.mention for one in answers])
        self._count("stance", texts, np.isnan(stance).any((1, 2)))
        self._count("sentiment", texts, np.isnan(sentiment).any(-1))
        self._count("mention", texts, np.isnan(mention))
        self._count("spans", texts, np.array([one.spans is None for one in answers], bool))
        for place, attribute in enumerate(TOXICITY):
            self._count(attribute, texts, np.isnan(toxicity[:, place]))
        return Predictions(
            np.nan_to_num(stance, nan=1 / 3),
            np.nan_to_num(toxicity, nan=0.5),
            np.nan_to_num(sentiment, nan=1 / 3),
            np.nan_to_num(mention, nan=0.5),
            [one.spans or () for one in answers],
        )

    def _count(self, head: str, texts: Sequence[str], missing: NDArray[np.bool_]) -> None:
        if missing.any():
            self.unjudged.setdefault(head, set()).update(
                text for text, lacks in zip(texts, missing, strict=True) if lacks
            )


def take_answer(found: Predictions, place: int) -> Answer:
    """What is said of the text at a place."""
    return Answer(
        found.stance[place],
        found.toxicity[place],
        found.sentiment[place],
        float("nan") if found.mention is None else float(found.mention[place]),
        found.toxic_spans[place] if len(found.toxic_spans) else None,
    )


def collect_answers(
    tagger: Tagger, data: Path, note: Callable[[StanceError], None] = lambda _: None
) -> dict[str, Answers]:
    """Probabilities and truth of each head, (items, labels) and (items,), for ``calibration.reliability_figure``.

    Stance from the three sets for development, toxicity from Jigsaw's test, sentiment from TweetEval's test, mention
    from authored_dev. Heads that the tagger does not judge are left out, and those whose set cannot be read: ``note``
    hears why.
    """
    asked = tagger if isinstance(tagger, Remembered) else Remembered(tagger)
    asked.unjudged.clear()
    answers: dict[str, Answers] = {}
    for collect in (collect_stance, collect_toxicity, collect_sentiment, collect_mention):
        try:
            answers |= collect(asked, data)
        except StanceError as error:
            note(error)
    return {head: found for head, found in answers.items() if head not in asked.unjudged and len(found[1])}


def collect_stance(tagger: Tagger, data: Path) -> dict[str, Answers]:
    examples = [example for name in DEVELOPMENT for example in read_dev(data, name)]
    stance = np.concatenate(predict_each(tagger, examples)[0])
    return {"stance": (stance, [label for example in examples for _, label in example.sides])}


def collect_toxicity(tagger: Tagger, data: Path) -> dict[str, Answers]:
    rows = read_labelled(
        data, "toxicity/jigsaw_multilabel", ["test"], lambda row: (row["text"], int(row["labels"]["toxic"]))
    )
    toxicity = tagger.predict([text for text, _ in rows], []).toxicity[:, 0]
    return {"toxicity": (two_labels(toxicity), [label for _, label in rows])}


def collect_sentiment(tagger: Tagger, data: Path) -> dict[str, Answers]:
    rows = read_labelled(data, "sentiment/tweeteval_sentiment_valtest", ["test"], make_sentiment)
    return {"sentiment": (tagger.predict([text for text, _ in rows], []).sentiment, [label for _, label in rows])}


def collect_mention(tagger: Tagger, data: Path) -> dict[str, Answers]:
    rows = [(one.text, one.mention) for one in read_dev(data, "authored_dev") if one.mention is not None]
    mention = tagger.predict([text for text, _ in rows], []).mention
    return {} if mention is None else {"mention": (two_labels(mention), [label for _, label in rows])}


def compare_columns(columns: Mapping[str, Sequence[Result]]) -> list[str]:
    """A table as lines: a header, then a row for each measure of the first column, the others' values beside it.

    ``columns``: head of a column -> its results; "-" where one lacks the measure. Values with their 95% interval.
    """
    first = next(iter(columns.values()))
    found = [{(result.name, result.measure): result.measured for result in results} for results in columns.values()]
    names = max([len(result.name) for result in first] + [3])
    measures = max([len(result.measure) for result in first] + [7])
    lines = [f"{'set':{names}}  {'measure':{measures}}  {'n':>6}  " + "  ".join(f"{head:21}" for head in columns)]
    for result in first:
        cells = [write_value(column.get((result.name, result.measure))) for column in found]
        start = f"{result.name:{names}}  {result.measure:{measures}}  {result.measured.n:6}"
        lines.append(f"{start}  {'  '.join(f'{cell:21}' for cell in cells)}".rstrip())
    return lines


def write_value(measured: Measured | None) -> str:
    """ "0.812 [0.790, 0.833]"; the interval where there is one; "-" for None."""
    if measured is None:
        return "-"
    interval = f" [{measured.low:.3f}, {measured.high:.3f}]" if measured.low == measured.low else ""
    return f"{measured.value:.3f}{interval}"
