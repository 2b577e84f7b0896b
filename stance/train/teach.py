"""Labels for texts that nobody labelled, by a network trained before and a plain model of words.

Pseudo-labels (Lee 2013): the network goes on with them beside the labels by hand. The two teachers err differently,
and they read the hashtags that half of the texts lose in training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stance.records import STANCES
from stance.tagger.shipped import score_texts, softmax
from stance.train.mix import Example

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from stance.tagger.network import Network

SURE = 0.6  # a side whose likeliest label has less is left out
TEMPERATURE = 2  # of the network, which is too sure after many passes over few texts


def label_texts(
    network: Network, tokenizer: Tokenizer, texts: Sequence[str], examples: Sequence[Example], window: int
) -> list[Example]:
    """The texts with the stances that both teachers together are sure of, toward the sides that all examples have.

    ``examples`` are labelled by hand: the model of words learns from them.
    """
    sides = [name for name, _ in examples[0].sides]
    scores = score_texts(network, tokenizer, texts, [sides] * len(texts), window=window, bf16=True)
    networks = softmax(np.stack(scores.stance).astype(np.float64) / TEMPERATURE)
    together = (networks + word_probabilities(examples, texts, sides)) / 2  # (texts, sides, 3)
    labelled = []
    for text, rows in zip(texts, together, strict=True):
        sure = [(side, int(row.argmax())) for side, row in zip(sides, rows, strict=True) if row.max() >= SURE]
        if sure:
            labelled.append(Example(text, tuple(sure)))
    return labelled


def word_probabilities(
    examples: Sequence[Example], texts: Sequence[str], sides: Sequence[str]
) -> NDArray[np.float64]:
    """(texts, sides, 3), last axis as STANCES: TF-IDF of words and pairs, a logistic regression a side."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    known = vectorizer.fit_transform([example.text for example in examples])
    found = np.zeros((len(texts), len(sides), len(STANCES)))
    for number, side in enumerate(sides):
        labels = [dict(example.sides)[side] for example in examples]
        if len(set(labels)) == 1:
            found[:, number, labels[0]] = 1
            continue
        model = LogisticRegression(C=10, max_iter=1000, class_weight="balanced").fit(known, labels)
        found[:, number, model.classes_] = model.predict_proba(vectorizer.transform(texts))
    return found
