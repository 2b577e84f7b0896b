"""The audit sees a tagger that treats sides differently, and passes one that does not."""

from __future__ import annotations

import numpy as np
import pytest

from stance.examples import Example
from stance.measure.audit import GROUPS, SENTENCES, audit_groups, measure_sides, measure_swap, summarise_groups
from stance.nations import NATIONS, swap_names
from stance.tagger import Predictions, Thresholds


class Rule:
    """A tagger that follows a rule: (text, side) to the position of a label, text to a probability of toxicity."""

    languages = ()
    thresholds = Thresholds(0.4, 0.4, (0.5,) * 5)

    def __init__(self, stance, toxic=lambda text: 0.0):
        self.stance, self.toxic = stance, toxic

    def predict(self, texts, sides, advance=None):
        stance = np.array([[np.eye(3)[self.stance(text, side)] for side in sides] for text in texts])
        toxicity = np.array([[self.toxic(text)] * 5 for text in texts])
        return Predictions(stance, toxicity, np.full((len(texts), 3), 1 / 3))


def by_words(text, side):
    """Fair: favor where the text hails the side, against where it boos it."""
    if f"hail {side}".lower() in text.lower():
        return 0
    return 1 if f"boo {side}".lower() in text.lower() else 2


TEXTS = [
    Example("Hail Armenia", (("Armenia", 0), ("Azerbaijan", 2))),
    Example("Boo Azerbaijan", (("Armenia", 2), ("Azerbaijan", 1))),
    Example("They met in Baku", (("Armenia", 2), ("Azerbaijan", 2))),
]


def test_a_fair_tagger_mirrors_and_a_partial_one_does_not():
    assert measure_swap(Rule(by_words), TEXTS).value == 0
    partial = Rule(lambda text, side: 0 if side == "Armenia" else by_words(text, side))
    # Armenia is always favored: of the six answers for two sides, those that differ after the swap
    found = measure_swap(partial, TEXTS)
    assert found.value == pytest.approx(np.mean([1 / 3, 2 / 3, 2 / 3]))
    assert found.n == 3


def test_a_text_that_names_neither_side_is_not_swapped():
    assert measure_swap(Rule(by_words), [*TEXTS, Example("They met", (("Armenia", 2), ("Azerbaijan", 2)))]).n == 3


def test_recall_and_false_alarms_are_told_by_side():
    always = Rule(lambda text, side: 0 if side == "Armenia" else 2)
    examples = TEXTS * 20
    found = {(r.name, r.measure): r.measured for r in measure_sides(always, examples)}
    assert found["side Armenia", "recall of favor"].value == 1
    assert found["side Armenia", "false alarms"].value == 1
    assert found["side Azerbaijan", "recall of against"].value == 0
    assert found["side Azerbaijan", "false alarms"].value == 0
    assert found["side Azerbaijan", "false alarms"].n == 40
    assert not list(measure_sides(always, TEXTS))  # too few of each to say


def test_plain_sentences_find_the_group_that_a_tagger_takes_for_toxic():
    rows = audit_groups(Rule(lambda *_: 2, lambda text: 0.9 if "Kurd" in text else 0.1))
    assert rows[0].group == "Kurds"
    assert rows[0].toxic == 1
    assert all(row.toxic == 0 for row in rows[1:])
    found = {r.measure: r.measured.value for r in summarise_groups(rows)}
    assert found["worst group above, toxic"] == pytest.approx(1 - 1 / len(rows))
    assert found["stance false alarms"] == 0
    assert {r.measure: r.measured.value for r in summarise_groups(audit_groups(Rule(lambda *_: 0)))}[
        "stance false alarms"
    ] == 1


def test_every_sentence_names_its_group():
    assert all(("{group}" in sentence) != ("{adjective}" in sentence) for sentence in SENTENCES)
    assert len(GROUPS) >= 40


def test_swapping_twice_gives_the_text_back():
    text = "Armenians of Yerevan and Turks of Ankara; ARMENIAN Erdogan, Pashinyan."
    once = swap_names(text, "Armenia", "Turkey")
    assert once == "Turks of Ankara and Armenians of Yerevan; Turkish Pashinyan, Erdogan."
    assert swap_names(once, "Armenia", "Turkey") == text.replace("ARMENIAN", "Armenian")
    assert all(len(names) >= 4 for names in NATIONS.values())
