"""JSON exports of sites to loose threads. Here the nested ones, of Reddit, Hacker News, Discourse and YouTube.

A format is known by its keys. Nesting is walked with a stack: its depth is the writers' choice.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stance.read.exports.comments import (
    ABSENT,
    REMOVED,
    Comment,
    Draft,
    keep_dicts,
    take_dict,
    take_list,
    take_name,
    take_text,
    take_title,
)
from stance.read.exports.lists import (
    is_facebook,
    is_isso,
    is_telegram,
    is_utterances,
    read_facebook,
    read_isso,
    read_telegram,
    read_utterances,
)
from stance.read.markup import read_markup
from stance.read.rejects import Reject
from stance.read.rows import show
from stance.records import StanceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from stance.read.rejects import Refuse
    from stance.records import Thread

SMALL_ACTION = 3  # Discourse's post_type of "closed this topic" and the like


def known_json(value: object) -> str | None:
    """The name of the export that a parsed JSON value is; None if it is none of them."""
    return next((export.name for export in EXPORTS if export.matches(value)), None)


def read_json(value: object, path: Path, form: str | None = None, reject: Refuse | None = None) -> Iterator[Thread]:
    """The loose threads of a parsed export, in file order, known by its keys or named by form."""
    name = form or known_json(value)
    export = next((export for export in EXPORTS if export.name == name), None)
    names = ", ".join(export.name for export in EXPORTS)
    if export is None:
        problem = f"no export is called {name!r}" if name else "JSON, but no export that is known by its keys"
        raise StanceError(f"{path}: {problem}: known are {names}; write other posts as .jsonl rows of id, author, text")
    if not export.matches(value):
        raise StanceError(f"{path}: not {export.name}, which has {export.keys}: leave the format out, or name another")
    taken: set[str] = set()
    for draft in export.read(value):
        while draft.id in taken:
            draft.id += "-"
        if draft.id is not None:
            taken.add(draft.id)
        if reject is not None:
            within = "" if draft.id is None else f", in {show(draft.id)}"
            for number in draft.unread:
                reject(Reject(f"record {number}", f"not a comment as {export.name} has them{within}"))
        yield draft.finish(path, export.name, "named by --format" if form else f"it has {export.keys}")


# reddit.com .json: a listing of the submission, then one of the comments, each with its replies inside.


def _is_reddit(value: object) -> bool:
    listings = value if isinstance(value, list) else [value]
    return bool(listings) and all(take_dict(listing).get("kind") == "Listing" for listing in listings)


def _read_reddit(value: Any) -> Iterator[Draft]:
    draft = Draft()
    waiting: list[tuple[Any, str | None]] = []
    for listing in reversed(value if isinstance(value, list) else [value]):
        waiting += _list_replies(listing, None)
    while waiting:
        thing, parent = waiting.pop()
        kind, data = take_dict(thing).get("kind"), take_dict(take_dict(thing).get("data"))
        if kind == "t1":
            name = draft.add(
                Comment(
                    id=take_text(data.get("id")),
                    body=html.unescape(draft.take_body(data.get("body"))),
                    author=take_name(data.get("author")),
                    time=draft.take_time(data.get("created_utc")),
                    parent=parent,
                )
            )
            waiting += _list_replies(data.get("replies"), name)
        elif kind == "t3" and draft.id is None:
            draft.id, draft.title = (
                take_text(data.get("id")),
                html.unescape(take_title(data.get("title")) or "") or None,
            )
            article = html.unescape(take_text(data.get("selftext")) or "")
            draft.article = None if article.strip().casefold() in REMOVED else article or None
        elif kind == "more":
            draft.notes[ABSENT] += max(_count(data.get("count")), len(take_list(data.get("children"))), 1)
        elif kind != "t3":
            draft.leave_out()
    yield draft


def _list_replies(listing: object, parent: str | None) -> list[tuple[Any, str | None]]:
    """What a listing holds, last first, as a stack wants it. Reddit writes "" for a listing of nothing."""
    children = take_list(take_dict(take_dict(listing).get("data")).get("children"))
    return [(child, parent) for child in reversed(children)]


# Hacker News, as Algolia serves an item with all that is below it.


def _is_hacker_news(value: object) -> bool:
    keys = take_dict(value)
    return isinstance(keys.get("children"), list) and "created_at_i" in keys and "id" in keys


def _read_hacker_news(value: Any) -> Iterator[Draft]:
    draft = Draft(take_text(value["id"]), take_title(value.get("title")))
    waiting: list[tuple[Any, str | None]] = [(value, None)]
    if value.get("type") != "comment":
        draft.article = read_markup(take_text(value.get("text")) or "").body or None
        waiting = [(child, None) for child in reversed(value["children"])]
    while waiting:
        item, parent = waiting.pop()
        if not isinstance(item, dict):
            draft.leave_out()
            continue
        marked = draft.take_markup(item.get("text"))
        name = draft.add(
            Comment(
                id=take_text(item.get("id")),
                body=marked.body,
                author=take_name(item.get("author")),
                time=draft.take_time(item.get("created_at") or item.get("created_at_i")),
                parent=parent,
                quotes=marked.quotes,
                removed=item.get("author") is None and item.get("text") is None,
            )
        )
        waiting += [(child, name) for child in reversed(take_list(item.get("children")))]
    yield draft


# Discourse: /t/ID.json. The first posts, and the ids of all.


def _is_discourse(value: object) -> bool:
    return isinstance(take_dict(take_dict(value).get("post_stream")).get("posts"), list)


def _read_discourse(value: Any) -> Iterator[Draft]:
    draft = Draft(take_text(value.get("id")), take_title(value.get("title")), quotable={})
    stream = value["post_stream"]
    posts = keep_dicts(stream["posts"], draft)
    names = {take_text(post.get("post_number")): take_text(post.get("id")) for post in reversed(posts)}
    for post in posts:
        if post.get("post_type") == SMALL_ACTION:
            draft.dropped["notes on what was done to the topic"] += 1
            continue
        marked = draft.take_markup(post.get("cooked"))
        number, answered = take_text(post.get("post_number")), take_text(post.get("reply_to_post_number"))
        if number is not None and draft.quotable is not None:
            draft.quotable.setdefault(number, len(draft.posts))
        draft.add(
            Comment(
                id=take_text(post.get("id")),
                body=marked.body,
                author=take_name(post.get("username")),
                time=draft.take_time(post.get("created_at")),
                number=number,
                parent=None if answered is None else names.get(answered) or f"number {answered}",
                quotes=marked.quotes,
                removed=bool(post.get("user_deleted") or post.get("deleted_at")),
            )
        )
    if (absent := len(take_list(stream.get("stream"))) - len(posts)) > 0:
        draft.notes[ABSENT] += absent
    yield draft


# YouTube's commentThreads.list: one answer of the interface, a list of them, or the items alone.


def _is_youtube(value: object) -> bool:
    first = next(iter(_list_items(value)), None)
    return "topLevelComment" in take_dict(take_dict(first).get("snippet"))


def _list_items(value: object) -> Iterator[Any]:
    for page in value if isinstance(value, list) else [value]:
        if isinstance(items := take_dict(page).get("items"), list):
            yield from items
        else:
            yield page


def _read_youtube(value: Any) -> Iterator[Draft]:
    drafts: dict[str | None, Draft] = {}
    for item in _list_items(value):
        outer = take_dict(take_dict(item).get("snippet"))
        video = take_text(outer.get("videoId"))
        draft = drafts.setdefault(video, Draft(video))
        top = _add_youtube(draft, outer.get("topLevelComment"), None)
        replies = take_list(take_dict(take_dict(item).get("replies")).get("comments"))
        for reply in replies:
            _add_youtube(draft, reply, top)
        if (absent := _count(outer.get("totalReplyCount")) - len(replies)) > 0:
            draft.notes[ABSENT] += absent
    yield from drafts.values()


def _add_youtube(draft: Draft, comment: object, parent: str | None) -> str | None:
    snippet = take_dict(take_dict(comment).get("snippet"))
    if not snippet:
        draft.leave_out()
        return None
    original = snippet.get("textOriginal")
    return draft.add(
        Comment(
            id=take_text(take_dict(comment).get("id")),
            body=draft.take_markup(snippet.get("textDisplay")).body if original is None else draft.take_body(original),
            author=take_name(snippet.get("authorDisplayName")),
            time=draft.take_time(snippet.get("publishedAt")),
            parent=parent,
        )
    )


def _count(value: object) -> int:
    """A number of comments that the source states; 0 if it states none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


@dataclass(frozen=True, slots=True)
class Export:
    """A format: its name, what tells it from others, and its reader."""

    name: str
    keys: str  # as a message calls them
    matches: Callable[[object], bool]
    read: Callable[[Any], Iterable[Draft]]


EXPORTS = (
    Export("reddit-json", 'listings ("kind": "Listing")', _is_reddit, _read_reddit),
    Export("discourse", '"post_stream" with "posts"', _is_discourse, _read_discourse),
    Export("hacker-news", '"children" and "created_at_i"', _is_hacker_news, _read_hacker_news),
    Export("youtube", '"items" with "topLevelComment"', _is_youtube, _read_youtube),
    Export("telegram", '"name", "type" and "messages"', is_telegram, read_telegram),
    Export("isso", 'a list of threads with "id" and "comments"', is_isso, read_isso),
    Export("facebook", '"comments_v2"', is_facebook, read_facebook),
    Export("convokit-list", '"text", "speaker" and "conversation_id"', is_utterances, read_utterances),
)
