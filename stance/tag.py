"""Tags: a thread, a topic and a tagger in; what each post's own words say out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, repeat
from math import nan
from typing import TYPE_CHECKING

from stance.language import detect_language
from stance.records import SENTIMENTS, STANCES, TOXICITY, Judgement, Post, StanceError, Tag, Thread, Topic

if TYPE_CHECKING:
    from stance.tagger import Predictions, Tagger

WINDOW = 4096  # texts of a stream that are tagged together, so that batches by length are full


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
    asked = [post.own_words for post in posts if reads(tagger, post.language)]
    predicted = tagger.predict(asked, [side.target for side in topic.sides], advance)
    tags = iter(make_tags(asked, predicted, tagger))
    return [next(tags) if reads(tagger, post.language) else unjudged(post, topic) for post in posts]


def reads(tagger: Tagger, language: str | None) -> bool:
    """Whether the tagger judges texts of this language; None: one that cannot be told is taken for one it reads."""
    return not tagger.languages or language in (None, *tagger.languages)


def unjudged(post: Post, topic: Topic) -> Tag:
    """The tag of a post that the tagger does not judge."""
    stance = tuple(Judgement(None, (nan,) * len(STANCES)) for _ in topic.sides)
    sentiment = Judgement(None, (nan,) * len(SENTIMENTS))
    return Tag(len(post.own_words.split()), stance, (nan,) * len(TOXICITY), sentiment)


def make_tags(texts: Sequence[str], predicted: Predictions, tagger: Tagger) -> list[Tag]:
    """The tag of each text from its row of the predictions."""
    limits = tagger.thresholds
    rows = zip(
        texts,
        predicted.stance.tolist(),
        predicted.toxicity.tolist(),
        predicted.sentiment.tolist(),
        repeat(None) if predicted.mention is None else predicted.mention.tolist(),
        predicted.toxic_spans or repeat(None),
        strict=False,
    )
    tags = []
    for text, toward, toxicity, sentiment, mention, spans in rows:
        words = len(text.split())
        stance = tuple([judge(STANCES, side, limits.stance, words) for side in toward])
        toxic = any(value >= cut for value, cut in zip(toxicity, limits.toxicity, strict=True))
        evidence = () if spans is not None and not toxic else spans
        feeling = judge(SENTIMENTS, sentiment, limits.sentiment, words)
        tags.append(Tag(words, stance, tuple(toxicity), feeling, mention, evidence))
    return tags


def judge(labels: tuple[str, ...], probabilities: Sequence[float], threshold: float, words: int) -> Judgement:
    """The likeliest label, or None where its probability is under the threshold or there are no words.

    Probabilities of NaN, by which a tagger says that it does not judge this, are under every threshold.
    """
    best = max(probabilities)
    label = labels[probabilities.index(best)] if words and best >= threshold else None
    return Judgement(label, tuple(probabilities))


def tag_thread(
    thread: Thread, topic: Topic, tagger: Tagger, advance: Callable[[int], None] | None = None
) -> tuple[list[Tag], Tag | None]:
    """The tags of the posts' own words, in order, and the tag of the article where there is one."""
    return next(_tag_group([thread], topic, tagger, advance))


def tag_stream(
    threads: Iterable[Thread], topic: Topic, tagger: Tagger, window: int = WINDOW
) -> Iterator[tuple[list[Tag], Tag | None]]:
    """What ``tag_thread`` gives for each thread, in order, the texts of several threads tagged together.

    Threads wait until they have ``window`` texts; one thread is never divided. Where ``threads`` raises StanceError,
    those that wait are tagged before it goes on.
    """
    for group in _gather(threads, window):
        yield from _tag_group(group, topic, tagger)


def _gather(threads: Iterable[Thread], window: int) -> Iterator[list[Thread]]:
    """The threads in groups of at least ``window`` texts."""
    waiting: list[Thread] = []
    texts = 0
    try:
        for thread in threads:
            waiting.append(thread)
            texts += len(thread.posts) + (thread.article is not None)
            if texts >= window:
                group, waiting, texts = waiting, [], 0
                yield group
    except StanceError:
        yield waiting
        raise
    yield waiting


def _tag_group(
    threads: Sequence[Thread], topic: Topic, tagger: Tagger, advance: Callable[[int], None] | None = None
) -> Iterator[tuple[list[Tag], Tag | None]]:
    """The tags of each thread, from one call of the tagger for all."""
    posts: list[Post] = []
    for thread in threads:
        posts += thread.posts
        if thread.article is not None:
            posts.append(Post("article", thread.article, language=detect_language(thread.article)))
    tags = iter(tag_posts(posts, topic, tagger, advance) if posts else ())
    for thread in threads:
        yield list(islice(tags, len(thread.posts))), next(tags) if thread.article is not None else None
