"""Our own `/v1/tag`: a thread or loose posts in, rows as `stance tag` writes them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from stance.records import Post, Reply, Side, Tag, Thread, Topic
from stance.serve.refusal import RefusalError
from stance.serve.schema import check_value
from stance.table import make_manifest, post_row
from stance.thread import link_posts, read_alone
from stance.topic import load_topic, topic_names

if TYPE_CHECKING:
    from stance.tagger import Tagger


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was understood."""

    topic: Topic
    posts: tuple[Post, ...]
    ids: tuple[Any, ...]  # as sent, one a post
    thread: Thread | None  # None: posts that stand alone
    article: Post | None


def read_asked(request: Any, default: Topic) -> Asked:
    """What was asked, quotes and replies found. Refusal 400. Slow for long threads: not for the event loop."""
    check_value(request, "TagRequest")
    topic = read_topic(request, default)
    loose, thread = request.get("posts"), request.get("thread")
    if (loose is None) == (thread is None):
        raise RefusalError(400, "Give either 'posts' or a 'thread'.")
    if loose is not None:
        posts = tuple(read_alone(post["text"]) for post in loose)
        return Asked(topic, posts, tuple(post.get("id") for post in loose), None, None)
    linked = link_posts(read_thread(thread))
    article = None if linked.article is None else read_alone(linked.article)
    return Asked(topic, linked.posts, tuple(post.id for post in linked.posts), linked, article)


def read_topic(request: dict[str, Any], default: Topic) -> Topic:
    """The sides that a request gives, the shipped topic that it names (never a file), else the server's own."""
    name, sides = request.get("topic"), request.get("sides")
    if sides is not None:
        names = [side["name"] for side in sides]
        if len({*names}) < len(names):
            raise RefusalError(400, "Two sides have the same name.")
        return Topic(name or "", tuple(map(read_side, sides)))
    if name is None:
        return default
    if name not in topic_names():
        raise RefusalError(400, f"No such topic. Give 'sides', or one of: {', '.join(topic_names())}.")
    return load_topic(name)


def read_side(side: dict[str, Any]) -> Side:
    name = side["name"]
    aliases = tuple(side.get("aliases") or ())
    return Side(name, side.get("label") or f"pro-{name}", side.get("target") or name, aliases)


def read_thread(thread: dict[str, Any]) -> Thread:
    """A thread without links but those that its posts name by id."""
    ids = [post.get("id") or str(number) for number, post in enumerate(thread["posts"])]
    places = {name: number for number, name in enumerate(ids)}
    if len(places) < len(ids):
        raise RefusalError(400, "Two posts have the same id.")
    posts = []
    for number, (name, post) in enumerate(zip(ids, thread["posts"], strict=True)):
        answered = post.get("reply_to")
        if answered is not None and places.get(answered, number) >= number:
            raise RefusalError(
                400, f"Invalid value at 'thread.posts[{number}].reply_to': must be the id of an earlier post."
            )
        replies = () if answered is None else (Reply(places[answered], "markup"),)
        author, printed = post.get("author"), post.get("number")
        posts.append(Post(name, post["body"], author=author, number=printed, replies=replies))
    name, title, article = thread.get("id") or "thread", thread.get("title"), thread.get("article")
    return Thread(name, None, None, title, article or None, None, tuple(posts))


def write_rows(asked: Asked, tags: Sequence[Tag], article: Tag | None, tagger: Tagger) -> dict[str, Any]:
    """The answer, with what made it under "run"."""
    sides = asked.topic.sides
    rows = [
        post_row(name, post, tag, sides) | ({} if asked.thread is None else thread_cells(number, post))
        for number, (name, post, tag) in enumerate(zip(asked.ids, asked.posts, tags, strict=True))
    ]
    run = replace(make_manifest(tagger, asked.topic), thread_id=asked.thread.id if asked.thread else "").run
    answer: dict[str, Any] = {"posts": rows, "run": run, "sides": [side_cells(side) for side in sides]}
    if asked.article is not None and article is not None:
        answer["article"] = post_row("article", asked.article, article, sides)
    return answer


def thread_cells(number: int, post: Post) -> dict[str, Any]:
    """What the thread says of a post, named as in the rows of `stance tag`."""
    quotes = [
        {"start": quote.start, "end": quote.end, "source": quote.source, "match": quote.match} for quote in post.quotes
    ]
    return {
        "position": number,
        "number": post.number,
        "author": post.author,
        "reply_to": post.reply_to,
        "reply_basis": post.reply_basis,
        "language": post.language,
        "quotes": quotes,
    }


def side_cells(side: Side) -> dict[str, Any]:
    return {"name": side.name, "label": side.label, "target": side.target, "aliases": [*side.aliases]}
