"""JSON exports that are lists of comments: Telegram Desktop, isso, Facebook's own comments, ConvoKit's utterances."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from stance.read.exports.comments import (
    Comment,
    Draft,
    keep_dicts,
    take_dict,
    take_list,
    take_name,
    take_text,
    take_title,
)
from stance.read.markup import Marked, MarkedQuote, read_markup

if TYPE_CHECKING:
    from collections.abc import Iterator

ISSO_PENDING, ISSO_DELETED = 2, 4  # isso's modes
MARKUP = re.compile(r"</?(?:p|br|a|b|i|em|strong|blockquote|code|pre|ul|ol|li|div|span)\b[^>]{0,500}>", re.IGNORECASE)


# Telegram Desktop's result.json, of one chat or of all.


def is_telegram(value: object) -> bool:
    keys = take_dict(value)
    return any(isinstance(chat.get("messages"), list) for chat in _list_chats(keys)) and (
        "chats" in keys or ("type" in keys and "name" in keys)
    )


def _list_chats(value: dict[str, Any]) -> list[dict[str, Any]]:
    chats = take_list(take_dict(value.get("chats")).get("list")) if "chats" in value else [value]
    return [chat for chat in chats if isinstance(chat, dict)]


def read_telegram(value: Any) -> Iterator[Draft]:
    for chat in _list_chats(value):
        draft = Draft(take_text(chat.get("id")), take_title(chat.get("name")))
        for message in keep_dicts(take_list(chat.get("messages")), draft):
            if message.get("type", "message") != "message":
                draft.dropped["service messages"] += 1
                continue
            body, quotes = _join_parts(message.get("text"), draft)
            if message.get("forwarded_from") and body.strip():  # somebody else's words, all of it
                quotes = [MarkedQuote(0, len(body), None, take_name(message["forwarded_from"]))]
            # A reply_to_peer_id: the message answered stands in another chat, where the same number is another's.
            answered = None if "reply_to_peer_id" in message else message.get("reply_to_message_id")
            draft.add(
                Comment(
                    id=take_text(message.get("id")),
                    body=body,
                    author=take_name(message.get("from")),
                    time=draft.take_time(message.get("date_unixtime") or message.get("date")),
                    parent=take_text(answered),
                    quotes=tuple(quotes),
                )
            )
        yield draft


def _join_parts(value: object, draft: Draft) -> tuple[str, list[MarkedQuote]]:
    """A message's text, which is a string or a list of strings and {"type", "text"}, and its quotes."""
    body: list[str] = []
    quotes: list[MarkedQuote] = []
    length = 0
    open_line = False  # the part before was a quote and did not end its line
    for part in value if isinstance(value, list) else [value]:
        is_quote = take_dict(part).get("type") == "blockquote"
        text = draft.take_body(part.get("text") if isinstance(part, dict) else part)
        if text and (open_line or (is_quote and length and not body[-1].endswith("\n"))) and not text.startswith("\n"):
            body.append("\n")
            length += 1
        if is_quote and text.strip():
            quotes.append(MarkedQuote(length, length + len(text.rstrip())))
        if text:
            body.append(text)
            length += len(text)
            open_line = is_quote and not text.endswith("\n")
    return "".join(body), quotes


# isso: what its import reads, [{"id", "title", "comments": [{"id", "author", "created", "text"}]}].


def is_isso(value: object) -> bool:
    first = take_dict(next(iter(take_list(value)), None))
    return isinstance(first.get("comments"), list) and "id" in first


def read_isso(value: Any) -> Iterator[Draft]:
    for thread in value:
        keys = take_dict(thread)
        draft = Draft(take_text(keys.get("id")), take_title(keys.get("title")))
        for comment in keep_dicts(take_list(keys.get("comments")), draft):
            if comment.get("mode") == ISSO_PENDING:
                draft.dropped["not approved"] += 1
                continue
            marked = Marked(draft.take_body(comment.get("text")))
            if MARKUP.search(marked.body):  # else it is markdown
                marked = read_markup(marked.body, keep_lines=True)
            draft.add(
                Comment(
                    id=take_text(comment.get("id")),
                    body=marked.body,
                    author=take_name(comment.get("author")),
                    time=draft.take_time(comment.get("created")),
                    parent=take_text(comment.get("parent")),
                    quotes=marked.quotes,
                    removed=comment.get("mode") == ISSO_DELETED,
                )
            )
        yield draft


# Facebook's "your comments": one's own alone, what they answer is not in the file.


def is_facebook(value: object) -> bool:
    return isinstance(take_dict(value).get("comments_v2"), list)


def read_facebook(value: Any) -> Iterator[Draft]:
    draft = Draft()
    for entry in keep_dicts(value["comments_v2"], draft):
        for data in take_list(entry.get("data")):
            comment = take_dict(take_dict(data).get("comment"))
            if "comment" not in comment:  # a picture, or a link
                draft.dropped["comments without words"] += 1
                continue
            text = draft.take_body(comment["comment"])
            body = _repair_encoding(text)
            draft.notes["in UTF-8 that was taken for Latin-1: repaired"] += body != text
            draft.add(
                Comment(
                    id=None,
                    body=body,
                    author=take_name(_repair_encoding(take_text(comment.get("author")) or "")),
                    time=draft.take_time(comment.get("timestamp", entry.get("timestamp"))),
                )
            )
    yield draft


def _repair_encoding(text: str) -> str:
    """The text with its bytes read as what they are. As it was, where they are no UTF-8 throughout."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


# ConvoKit's utterances as one list.


def is_utterances(value: object) -> bool:
    first = take_dict(next(iter(take_list(value)), None))
    return (
        "text" in first
        and bool(first.keys() & {"speaker", "user"})
        and bool(first.keys() & {"conversation_id", "root"})
    )


def read_utterances(value: Any) -> Iterator[Draft]:
    drafts: dict[str | None, Draft] = {}
    for row in value:
        keys = take_dict(row)
        root = take_text(keys.get("conversation_id", keys.get("root")))
        draft = drafts.setdefault(root, Draft(root))
        if not isinstance(row, dict):
            draft.leave_out()
            continue
        speaker = keys.get("speaker", keys.get("user"))
        draft.add(
            Comment(
                id=take_text(keys.get("id")),
                body=draft.take_body(keys.get("text")),
                author=take_name(speaker.get("id") if isinstance(speaker, dict) else speaker),
                time=draft.take_time(keys.get("timestamp")),
                parent=take_text(keys.get("reply_to", keys.get("reply-to"))),
            )
        )
    yield from drafts.values()
