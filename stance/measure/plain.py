"""Plain methods as taggers: TF-IDF with logistic regression, words that stand in toxic spans, VADER."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from stance.measure.sets import Target
from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError
from stance.tagger import Predictions, Thresholds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Judge = Callable[[Sequence[str]], NDArray[np.float64]]  # texts -> (texts, labels)

OWN_MODEL_ROWS = 100  # a target with as many training rows, of two labels at least, gets a model of its own
PRIOR_WORDS = 5  # a word counts as if it had been seen so often more at the rate of all words
ALWAYS = Thresholds(0, 0, (0.5,) * len(TOXICITY))  # never abstains


class LinearModel:
    """Words and pairs of words by TF-IDF (1 + log of the count), into a balanced logistic regression.

    Weights are balanced and C is 1: better than C of 4 and 10 on the development splits of RUW and MT-CSD.
    """

    def __init__(self, labels: int) -> None:
        self.labels = labels
        self.model: Any = None

    def fit(self, texts: Sequence[str], truth: Sequence[int], targets: Sequence[str] = ()) -> LinearModel:
        """truth (texts,): positions of labels; ``targets``: a target a text, whose words stand beside the text's."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        if len(set(truth)) < 2:
            raise StanceError("baseline: all training rows have one label: restore the set")
        options: Any = {"sublinear_tf": True, "dtype": np.float32}
        self.words = TfidfVectorizer(ngram_range=(1, 2), min_df=2 if len(texts) > 1000 else 1, **options)
        self.names = TfidfVectorizer(**options) if targets else None
        try:
            inputs = self.words.fit_transform(texts)
            if self.names is not None:
                inputs = self._join(inputs, self.names.fit_transform(targets))
        except ValueError as error:
            raise StanceError(f"baseline: the training texts have no words ({error}): restore the set") from error
        self.model = LogisticRegression(class_weight="balanced", max_iter=1000).fit(inputs, truth)
        return self

    def predict(self, texts: Sequence[str], targets: Sequence[str] = ()) -> NDArray[np.float64]:
        """(texts, labels); a label that training did not show gets 0."""
        inputs = self.words.transform(texts)
        if self.names is not None:
            inputs = self._join(inputs, self.names.transform(targets))
        found = np.zeros((len(texts), self.labels))
        found[:, self.model.classes_] = self.model.predict_proba(inputs)
        return found

    @staticmethod
    def _join(words: Any, names: Any) -> Any:
        from scipy.sparse import hstack

        return hstack([words, names], format="csr")


class TargetModel:
    """A model a target where there are rows enough; the rest by one over all, which reads the target's words too."""

    def __init__(self, rows: Sequence[Target]) -> None:
        by_target: dict[str, list[Target]] = {}
        for row in rows:
            by_target.setdefault(row.target, []).append(row)
        self.own: dict[str, LinearModel] = {}
        for target, some in by_target.items():
            labels = [row.label for row in some]
            if len(some) >= OWN_MODEL_ROWS and len(set(labels)) > 1:
                self.own[target] = LinearModel(len(STANCES)).fit([row.text for row in some], labels)
        pooled = LinearModel(len(STANCES))
        self.pooled = pooled.fit([row.text for row in rows], [row.label for row in rows], [row.target for row in rows])

    def predict(self, texts: Sequence[str], target: str) -> NDArray[np.float64]:
        """(texts, 3), last axis as STANCES."""
        if target in self.own:
            return self.own[target].predict(texts)
        return self.pooled.predict(texts, [target] * len(texts))


@dataclass
class PlainTagger:
    """A tagger of whatever parts it is given; NaN for the rest."""

    name: str
    stance: TargetModel | None = None
    toxicity: Mapping[str, Judge] = field(default_factory=dict)  # attribute -> (texts, 2), no and yes
    sentiment: Judge | None = None
    spans: Callable[[str], tuple[tuple[int, int], ...]] | None = None
    sha256: str = ""
    thresholds: Thresholds = ALWAYS
    languages: tuple[str, ...] = ()
    errors: dict[str, Any] = field(default_factory=dict)

    def predict(
        self, texts: Sequence[str], sides: Sequence[str], advance: Callable[[int], None] | None = None
    ) -> Predictions:
        """As ``Tagger.predict``."""
        stance = np.full((len(texts), len(sides), len(STANCES)), np.nan)
        toxicity = np.full((len(texts), len(TOXICITY)), np.nan)
        sentiment = np.full((len(texts), len(SENTIMENTS)), np.nan)
        if self.stance is not None:
            for place, side in enumerate(sides):
                stance[:, place] = self.stance.predict(texts, side)
        for place, attribute in enumerate(TOXICITY):
            if attribute in self.toxicity:
                toxicity[:, place] = self.toxicity[attribute](texts)[:, 1]
        if self.sentiment is not None:
            sentiment = self.sentiment(texts)
        if advance is not None:
            advance(len(texts))
        return Predictions(
            stance, toxicity, sentiment, None, [self.spans(text) for text in texts] if self.spans else ()
        )


def weigh_words(rows: Sequence[tuple[str, Sequence[tuple[int, int]]]]) -> dict[str, float]:
    """Word -> log-odds of standing inside a span; rows of a text and its spans."""
    inside: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for text, spans in rows:
        for word in re.finditer(r"\w+", text):
            seen[word[0].lower()] += 1
            inside[word[0].lower()] += any(start < word.end() and word.start() < end for start, end in spans)
    rate = (inside.total() + 1) / (seen.total() + 2)
    shares = {word: (inside[word] + PRIOR_WORDS * rate) / (seen[word] + PRIOR_WORDS) for word in seen}
    return {word: float(np.log(share / (1 - share))) for word, share in shares.items()}


def mark_words(text: str, odds: Mapping[str, float], threshold: float) -> tuple[tuple[int, int], ...]:
    """The words over the threshold as stretches; two with only blank space between them are one."""
    spans: list[tuple[int, int]] = []
    for word in re.finditer(r"\w+", text):
        if odds.get(word[0].lower(), -np.inf) > threshold:
            joined = spans and not text[spans[-1][1] : word.start()].strip()
            spans.append((spans.pop()[0] if joined else word.start(), word.end()))
    return tuple(spans)


def load_vader() -> Judge:
    """VADER's sentiment, sure of one label: at a compound of 0.05 and beyond (Hutto and Gilbert 2014).

    StanceError where the package is missing.
    """
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError as error:
        message = "baseline: VADER is not installed: pip install 'threadstance[train]' or pip install vaderSentiment"
        raise StanceError(message) from error
    analyse = SentimentIntensityAnalyzer().polarity_scores

    def judge(texts: Sequence[str]) -> NDArray[np.float64]:
        compound = np.array([analyse(text)["compound"] for text in texts])
        return np.asarray(np.eye(len(SENTIMENTS))[(compound > -0.05).astype(int) + (compound >= 0.05)])

    return judge
