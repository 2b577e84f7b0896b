"""Measures against scikit-learn, intervals against what they must be."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from stance.gold import (
    calibration_error,
    confusion,
    macro_f1,
    macro_recall,
    measure_auc,
    measure_counts,
    named_precision,
    positive_f1,
)

GENERATOR = np.random.default_rng(7)
TRUTH = GENERATOR.integers(3, size=300)
GUESS = np.where(GENERATOR.random(300) < 0.6, TRUTH, GENERATOR.integers(3, size=300))


def test_macro_f1_and_recall_equal_scikit_learn():
    counts = confusion(TRUTH, GUESS, 3)
    assert float(macro_f1(counts)) == pytest.approx(f1_score(TRUTH, GUESS, average="macro"))
    assert float(macro_recall(counts)) == pytest.approx(recall_score(TRUTH, GUESS, average="macro"))


def test_f1_of_label_one_equals_scikit_learn():
    counts = confusion(TRUTH > 1, GUESS > 1, 2)
    assert float(positive_f1(counts)) == pytest.approx(f1_score(TRUTH > 1, GUESS > 1))


def test_precision_of_named_labels_equals_scikit_learn():
    counts = confusion(TRUTH, GUESS, 3)
    expected = precision_score(TRUTH, GUESS, labels=[0, 1], average="micro")
    assert float(named_precision(counts)) == pytest.approx(expected)


def test_a_label_that_never_occurs_counts_zero():
    assert float(macro_f1(confusion([0, 0], [0, 0], 3))) == pytest.approx(1 / 3)


def test_auc_equals_scikit_learn_with_ties():
    scores = np.round(GENERATOR.random(300) + (TRUTH == 1), 1)
    measured = measure_auc((TRUTH == 1).astype(int).tolist(), scores.tolist())
    assert measured.value == pytest.approx(roc_auc_score(TRUTH == 1, scores))
    assert measured.low < measured.value < measured.high


def test_auc_with_one_positive_has_an_interval():
    measured = measure_auc([1, 0, 0], [0.9, 0.1, 0.2])
    assert (measured.value, measured.low) == (1.0, 1.0)


def test_bootstrap_takes_texts_not_sides():
    """Three sides of one text that always agree are one observation: the interval must not shrink with them."""
    one = np.array([confusion([t], [g], 3) for t, g in zip(TRUTH, GUESS, strict=True)])
    single, triple = measure_counts(one, macro_f1), measure_counts(one * 3, macro_f1)
    assert triple == single
    assert 0.05 < single.high - single.low < 0.15
    assert single.n == 300


def test_the_same_counts_give_the_same_interval():
    counts = np.array([confusion([t], [g], 3) for t, g in zip(TRUTH, GUESS, strict=True)])
    assert measure_counts(counts, macro_f1) == measure_counts(counts, macro_f1)


def test_calibration_error_of_a_sure_and_wrong_tagger_is_its_confidence():
    sure = np.tile([0.9, 0.05, 0.05], (10, 1))
    assert calibration_error(sure, [1] * 10) == pytest.approx(0.9)
    assert calibration_error(sure, [0] * 9 + [1]) == pytest.approx(0.0)
