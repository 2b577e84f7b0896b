"""How a thread was read, in lines for people: `stance read FILE --explain`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stance.records import Post, Thread

DOUBTFUL = 0.8  # a post under this confidence is named
MOST_NAMED = 10


def explain_thread(thread: Thread) -> Iterator[str]:
    """What was chosen and why, what was left out, how sure each part is."""
    reading = thread.reading
    if reading is not None:
        yield f"read as: {reading.format}, {reading.layout} (confidence {reading.confidence:.2f}): {reading.reason}"
        yield f"runner-up: {reading.runner_up or 'none'}"
        dropped = ", ".join(f"{what} ({count})" for what, count in reading.dropped)
        yield f"left out: {dropped or 'nothing'}"
        if reading.spans:
            sizes: Counter[str] = Counter()
            for span in reading.spans:
                sizes[span.kind] += span.end - span.start
            yield "characters: " + ", ".join(f"{kind} {count:,}" for kind, count in sizes.most_common())
    yield f"article: {len(thread.article):,} characters" if thread.article else "article: none"
    bases = Counter(post.reply_basis for post in thread.posts if post.reply_basis)
    yield "replies known by: " + (", ".join(f"{basis} {count}" for basis, count in bases.most_common()) or "none")
    languages = Counter(post.language or "too short to tell" for post in thread.posts)
    yield "languages: " + (", ".join(f"{name} {count}" for name, count in languages.most_common()) or "none")
    doubtful = [post for post in thread.posts if post.confidence < DOUBTFUL]
    for post in doubtful[:MOST_NAMED]:
        yield f"doubtful ({post.confidence:.2f}): {show_post(post)}"
    if len(doubtful) > MOST_NAMED:
        yield f"doubtful: {len(doubtful) - MOST_NAMED} more"


def show_post(post: Post) -> str:
    """Where a post is and how it begins."""
    place = f"line {post.line}" if post.line is not None else f"id {post.id}"
    return f"{place}, {post.author or 'no name'}: {' '.join(post.body[:60].split())}"
