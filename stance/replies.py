"""What answers what."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stance.records import Post, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence


def link_replies(posts: Sequence[Post], blurb: str | None) -> tuple[Post, ...]:
    return tuple(_link(post) for post in posts)


def _link(post: Post) -> Post:
    if post.replies:
        return post
    for quote in post.quotes:
        if isinstance(quote.source, int):
            return replace(post, replies=(Reply(quote.source, "quote"),))
    return post
