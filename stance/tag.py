"""Tags: a thread, a topic and a tagger in; what each post's own words say out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from stance.records import SENTIMENTS, STANCES, Judgement, Tag, Thread, Topic

if TYPE_CHECKING:
    from stance.tagger import Tagger


def tag_texts(
    texts: Sequence[str], topic: Topic, tagger: Tagger, advance: Callable[[int], None] | None = None
) -> list[Tag]:
    """One tag a text, in order. A text without words gets probabilities and no label."""
    predicted = tagger.predict(texts, [side.target for side in topic.sides], advance)
    tags = []
    for number, text in enumerate(texts):
        words = len(text.split())
        stance = [judge(STANCES, row, tagger.thresholds.stance, words) for row in predicted.stance[number].tolist()]
        sentiment = judge(SENTIMENTS, predicted.sentiment[number].tolist(), tagger.thresholds.sentiment, words)
        toxicity = tuple(predicted.toxicity[number].tolist())
        toxic = any(value >= cut for value, cut in zip(toxicity, tagger.thresholds.toxicity, strict=True))
        spans = predicted.toxic_spans[number] if predicted.toxic_spans else None
        evidence = () if spans is not None and not toxic else spans
        mention = None if predicted.mention is None else float(predicted.mention[number])
        tags.append(Tag(words, tuple(stance), toxicity, sentiment, mention, evidence))
    return tags


def judge(labels: tuple[str, ...], probabilities: Sequence[float], threshold: float, words: int) -> Judgement:
    """The likeliest label, or None where its probability is under the threshold or there are no words.

    Probabilities of NaN, by which a tagger says that it does not judge this, are under every threshold.
    """
    best = max(range(len(labels)), key=lambda index: probabilities[index])
    label = labels[best] if words and probabilities[best] >= threshold else None
    return Judgement(label, tuple(probabilities))


def tag_thread(
    thread: Thread, topic: Topic, tagger: Tagger, advance: Callable[[int], None] | None = None
) -> tuple[list[Tag], Tag | None]:
    """The tags of the posts' own words, in order, and the tag of the article where there is one."""
    texts = [post.own_words for post in thread.posts]
    if thread.article is not None:
        texts.append(thread.article)
    tags = tag_texts(texts, topic, tagger, advance)
    return (tags[:-1], tags[-1]) if thread.article is not None else (tags, None)
