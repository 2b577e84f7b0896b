"""Labels from probabilities: own words only, abstention, the article."""

from __future__ import annotations

import numpy as np
import pytest

from stance.records import Post, Quote, Side, StanceError, Thread, Topic
from stance.tag import judge, tag_stream, tag_texts, tag_thread
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


class Counting(Recorder):
    """Answers by the text alone, and keeps how many texts each call had."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def predict(self, texts, sides, advance=None):
        self.calls.append(len(texts))
        share = np.array([len(text) % 7 / 7 for text in texts])
        stance = np.stack([share, 1 - share, np.zeros(len(texts))], -1)
        return Predictions(np.stack([stance, stance], 1), np.outer(share, np.ones(5)), stance, share)


def make_threads(*sizes):
    """Threads of so many posts, every second one with an article."""
    for number, size in enumerate(sizes):
        posts = tuple(Post(str(at), "word " * (number + at), language="en") for at in range(size))
        yield Thread(str(number), None, None, None, "The opening." if number % 2 else None, None, posts)


def test_a_stream_is_tagged_as_thread_by_thread():
    sizes = (3, 0, 5, 1, 0, 8, 2)
    expected = [tag_thread(thread, TOPIC, Counting()) for thread in make_threads(*sizes)]
    for window in (1, 4, 9, 1000):
        tagger = Counting()
        assert [*tag_stream(make_threads(*sizes), TOPIC, tagger, window)] == expected
        assert all(texts >= window for texts in tagger.calls[:-1])
    assert tagger.calls == [sum(sizes) + 3]


def test_a_stream_holds_a_window_and_no_more():
    drawn = 0

    def draw():
        nonlocal drawn
        for thread in make_threads(*[2] * 1000):
            drawn += 1
            yield thread

    tagged = tag_stream(draw(), TOPIC, Counting(), window=10)
    assert drawn == 0
    next(tagged)
    assert drawn == 4  # 2, 3, 2 and 3 texts


def test_threads_before_a_broken_one_are_tagged():
    def draw():
        yield from make_threads(2, 1)
        raise StanceError("input broke")

    tagged = tag_stream(draw(), TOPIC, Counting())
    assert [len(tags) for tags, _ in (next(tagged), next(tagged))] == [2, 1]
    with pytest.raises(StanceError, match="input broke"):
        next(tagged)


def test_a_stream_of_nothing_asks_nothing():
    tagger = Counting()
    assert [*tag_stream(iter(()), TOPIC, tagger)] == []
    assert tagger.calls == []
