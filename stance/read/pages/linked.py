"""A page's JSON-LD: the comments that it lists for search engines, where its markup shows none."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from stance.read.markup import link_quotes, read_markup, read_name
from stance.read.pages.fields import make_unique, read_author
from stance.records import Post, Reply

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser

MOST_CHARACTERS = 20_000_000  # of one script
MOST_LOOKS = 1_000_000  # at values
FEWEST = 1
TYPES = frozenset(("Comment", "Answer", "UserComments", "Question", "DiscussionForumPosting"))
TEXTS = ("text", "commentText", "articleBody", "description")
TIMES = ("dateCreated", "datePublished", "commentTime")
INWARD = ("comment", "comments", "suggestedAnswer", "acceptedAnswer", "mainEntity", "@graph", "hasPart", "review")


def read_linked_data(tree: LexborHTMLParser) -> tuple[tuple[Post, ...], list[str]] | None:
    """The comments in the page's JSON-LD and warnings; None where it lists none."""
    items: list[tuple[dict[str, Any], int | None]] = []
    broken = 0
    for node in tree.css('script[type="application/ld+json"]'):
        source = node.text_lexbor() or ""
        try:
            data = json.loads(source) if len(source) <= MOST_CHARACTERS else None
        except (ValueError, RecursionError):
            data = None
        broken += data is None
        _find_items(data, items)
    found = [(item, parent, read_markup(_read_text(item), keep_lines=True)) for item, parent in items]
    # An item without words stays out; what answers it is left open.
    new = {position: place for place, position in enumerate(at for at, (_, _, body) in enumerate(found) if body.body)}
    ids = make_unique([str(_read_id(found[position][0]) or place) for position, place in new.items()])
    posts = [
        Post(
            id=ids[place],
            body=found[position][2].body,
            author=read_author(read_name(_read_author(found[position][0]))),
            time=_read_time(found[position][0]),
            replies=tuple(Reply(new[parent], "nesting") for parent in [found[position][1]] if parent in new),
        )
        for position, place in new.items()
    ]
    if len(posts) < FEWEST or not any(post.author for post in posts):
        return None
    warnings = [f"{broken} JSON-LD scripts of the page cannot be read"] if broken else []
    return link_quotes(posts, [found[position][2].quotes for position in new], {}), warnings


def _find_items(data: object, items: list[tuple[dict[str, Any], int | None]]) -> None:
    """Add the comments in the data, in order, each with the position of the one that it stands in."""
    stack: list[tuple[object, int | None]] = [(data, None)]
    for _ in range(MOST_LOOKS):
        if not stack:
            return
        value, parent = stack.pop()
        if isinstance(value, list):
            stack += [(one, parent) for one in reversed(value)]
        elif isinstance(value, dict):
            kinds = value.get("@type")
            if not TYPES.isdisjoint(kinds if isinstance(kinds, list) else [str(kinds)]):
                items.append((value, parent))
                parent = len(items) - 1
            stack += [(value[key], parent) for key in reversed(INWARD) if key in value]


def _read_text(item: dict[str, Any]) -> str:
    return next((value for value in map(item.get, TEXTS) if isinstance(value, str) and value.strip()), "")


def _read_id(item: dict[str, Any]) -> str | int | None:
    value = item.get("@id") or item.get("identifier")
    return value if isinstance(value, str | int) else None


def _read_author(item: dict[str, Any]) -> str | None:
    author = item.get("author") or item.get("creator")
    if isinstance(author, list):
        author = author[0] if author else None
    name = author.get("name") if isinstance(author, dict) else author
    return name if isinstance(name, str) else None


def _read_time(item: dict[str, Any]) -> datetime | None:
    for value in map(item.get, TIMES):
        if isinstance(value, str):
            try:
                time = datetime.fromisoformat(value)
                return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
            except (ValueError, OverflowError):
                continue
    return None
