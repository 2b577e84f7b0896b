"""Tags: a thread, a topic and a tagger in; what each post's own words say out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan
from typing import TYPE_CHECKING

from stance.language import detect_language
from stance.records import SENTIMENTS, STANCES, TOXICITY, Judgement, Post, Tag, Thread, Topic

if TYPE_CHECKING:
    from stance.tagger import Predictions, Tagger


def tag_texts(
    texts: Sequence[str], topic: Topic, tagger: Tagger, advance: Callable[[int], None] | None = None
) -> list[Tag]:
    """One tag a text, in order; see ``tag_posts``."""
    posts = [Post(str(number), text, language=detect_language(text)) for number, text in enumerate(texts)]
    return tag_posts(posts, topic, tagger, advance)


def tag_posts(
    posts: Sequence[Post], topic: Topic, tagger: Tagger, advance: Callable[[int], None] | None = None
) -> list[Tag]:
    """One tag a post, in order, of its own words. Without words it gets probabilities and no label.

    A post in a language that the tagger does not read is not judged: no label, and NaN for every probability.
    """
    tags = [unjudged(post, topic) for post in posts]
    asked = [number for number, post in enumerate(posts) if reads(tagger, post.language)]
    texts = [posts[number].own_words for number in asked]
    predicted = tagger.predict(texts, [side.target for side in topic.sides], advance)
    for row, number in enumerate(asked):
        tags[number] = make_tag(texts[row], predicted, row, tagger)
    return tags


def reads(tagger: Tagger, language: str | None) -> bool:
    """Whether the tagger judges texts of this language; None: one that cannot be told is taken for one it reads."""
    return not tagger.languages or language in (None, *tagger.languages)


def unjudged(post: Post, topic: Topic) -> Tag:
    """The tag of a post that the tagger does not judge."""
    stance = tuple(Judgement(None, (nan,) * len(STANCES)) for _ in topic.sides)
    sentiment = Judgement(None, (nan,) * len(SENTIMENTS))
    return Tag(len(post.own_words.split()), stance, (nan,) * len(TOXICITY), sentiment)


def make_tag(text: str, predicted: Predictions, row: int, tagger: Tagger) -> Tag:
    """The tag of the text that stands in this row of the predictions."""
    limits, words = tagger.thresholds, len(text.split())
    stance = tuple(judge(STANCES, toward, limits.stance, words) for toward in predicted.stance[row].tolist())
    sentiment = judge(SENTIMENTS, predicted.sentiment[row].tolist(), limits.sentiment, words)
    toxicity = tuple(predicted.toxicity[row].tolist())
    toxic = any(value >= cut for value, cut in zip(toxicity, limits.toxicity, strict=True))
    spans = predicted.toxic_spans[row] if predicted.toxic_spans else None
    evidence = () if spans is not None and not toxic else spans
    mention = None if predicted.mention is None else float(predicted.mention[row])
    return Tag(words, stance, toxicity, sentiment, mention, evidence)


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
    posts = [*thread.posts]
    if thread.article is not None:
        posts.append(Post("article", thread.article, language=detect_language(thread.article)))
    tags = tag_posts(posts, topic, tagger, advance)
    return (tags[:-1], tags[-1]) if thread.article is not None else (tags, None)
