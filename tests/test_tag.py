"""Labels from probabilities: own words only, abstention, the article."""

from __future__ import annotations

import numpy as np
import pytest

from stance.records import Post, Quote, Side, Thread, Topic
from stance.tag import judge, tag_texts, tag_thread
from stance.tagger import Predictions, Thresholds

TOPIC = Topic("test", (Side("A", "pro-A", "people of A"), Side("B", "pro-B", "B")))


class Recorder:
    """Keeps what it was asked, and answers the same for every text."""

    name, sha256, errors = "recorder", "0" * 64, {}
    languages = ("en",)
    thresholds = Thresholds(stance=0.5, sentiment=0.4, toxicity=(0.5,) * 5)

    def __init__(self):
        self.texts, self.sides = [], []

    def predict(self, texts, sides, advance=None):
        self.texts, self.sides = list(texts), list(sides)
        n = len(texts)
        return Predictions(
            np.tile([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]], (n, 1, 1)),
            np.full((n, 5), 0.25),
            np.tile([0.2, 0.3, 0.5], (n, 1)),
        )


def test_the_tagger_reads_target_words_and_own_words_only():
    body = "They are right.\n\nNo they are not."
    post = Post("0", body, quotes=(Quote(0, 15, None, "exact"),))
    thread = Thread("t", None, None, None, "The opening.", "About the author.", (post,))
    tagger = Recorder()
    tags, article = tag_thread(thread, TOPIC, tagger)
    assert tagger.texts == ["No they are not.", "The opening."]
    assert tagger.sides == ["people of A", "B"]
    assert (len(tags), tags[0].words, article.words) == (1, 4, 2)


def test_no_article_no_tag():
    thread = Thread("t", None, None, None, None, None, (Post("0", "Yes."),))
    tags, article = tag_thread(thread, TOPIC, Recorder())
    assert len(tags) == 1
    assert article is None


def test_under_the_threshold_the_label_is_none_and_the_probabilities_stay():
    (tag,) = tag_texts(["something"], TOPIC, Recorder())
    assert [judged.label for judged in tag.stance] == ["favor", None]
    assert tag.stance[1].probabilities == (0.3, 0.3, 0.4)
    assert tag.sentiment.label == "positive"
    assert tag.toxicity == (0.25,) * 5


@pytest.mark.parametrize("text", ["", " \n\t "])
def test_a_text_without_words_has_no_label(text):
    (tag,) = tag_texts([text], TOPIC, Recorder())
    assert tag.words == 0
    assert all(judged.label is None for judged in (*tag.stance, tag.sentiment))


def test_what_is_not_judged_has_no_label():
    nothing = (float("nan"),) * 3
    for threshold in (0.0, 0.5):
        assert judge(("favor", "against", "none"), nothing, threshold, 1).label is None


def test_a_probability_on_the_threshold_is_enough():
    assert judge(("favor", "against", "none"), (0.5, 0.25, 0.25), 0.5, 1).label == "favor"


def test_a_language_that_the_tagger_does_not_read_is_not_judged():
    german = "Die Soldaten haben das Dorf gestern verlassen und niemand weiß, wohin sie gegangen sind."
    tagger = Recorder()
    first, second = tag_texts([german, "They left the village."], TOPIC, tagger)
    assert tagger.texts == ["They left the village."]
    assert first.words == 14
    assert all(judged.label is None for judged in (*first.stance, first.sentiment))
    assert np.isnan([*first.toxicity, *first.sentiment.probabilities, *first.stance[1].probabilities]).all()
    assert second.sentiment.label == "positive"


def test_a_tagger_of_any_language_judges_all():
    tagger = Recorder()
    tagger.languages = ()
    german = "Die Soldaten haben das Dorf gestern verlassen."
    assert tag_texts([german], TOPIC, tagger)[0].sentiment.label == "positive"
