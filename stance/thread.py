"""Loose posts to a thread: whose words each stretch of a post is, what answers what, which numbers are missing."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stance.files import open_replacing
from stance.language import detect_languages
from stance.quotes import Finder
from stance.read import ALONE, Options
from stance.read import read_threads as read_loose
from stance.records import Post, StanceError, Thread
from stance.replies import link_replies

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAXIMUM_GAP = 100  # numbers missing in a row; a wider jump is another count, not lost posts


def read_thread(path: Path | str, options: Options | None = None) -> Thread:
    """The thread in a file, its quotes, replies and gaps found. StanceError if the file holds none, or several."""
    threads = read_threads(path, options)
    thread = next(threads)
    if next(threads, None) is not None:
        raise StanceError(f"{path}: several threads in one file: take them one by one with read_threads")
    return thread


def read_threads(path: Path | str, options: Options | None = None) -> Iterator[Thread]:
    """The threads in a file or a ConvoKit folder, one by one. StanceError if it holds none."""
    return map(link_posts, read_loose(Path(path), options))


def link_posts(thread: Thread) -> Thread:
    """The thread with gaps filled in, and with quotes and reply links added to those that its posts show.

    Posts of an archive that are no discussion (layout ALONE) are read as by ``read_alone``.
    """
    if thread.reading is not None and thread.reading.layout == ALONE:
        return replace(thread, posts=_link_alone(thread.posts))
    opening = "\n\n".join(filter(None, (thread.title, thread.article)))
    finder = Finder(thread.posts, opening)
    posts = _add_languages([finder.find_quotes(position) for position in range(len(thread.posts))])
    return replace(thread, posts=link_replies(posts, opening, thread.blurb), gaps=_find_gaps(thread.posts))


def read_alone(text: str) -> Post:
    """A post that stands alone: its quotes are what it marks as quoted."""
    return read_each([text])[0]


def read_each(texts: Sequence[str]) -> list[Post]:
    """``read_alone`` of each text."""
    return list(_link_alone([Post("0", text) for text in texts]))


def _link_alone(posts: Sequence[Post]) -> tuple[Post, ...]:
    return _add_languages([Finder((post,), "").find_quotes(0) for post in posts])


def _add_languages(posts: Sequence[Post]) -> tuple[Post, ...]:
    languages = detect_languages([post.own_words for post in posts])
    return tuple(replace(post, language=language) for post, language in zip(posts, languages, strict=True))


def thread_to_json(thread: Thread) -> dict[str, object]:
    """What `stance read` writes: sources and replies are positions in posts, from 0; or "article", or None."""
    found: dict[str, object] = {
        "title": thread.title,
        "article": thread.article,
        "blurb": thread.blurb,
        "source": thread.source,
        "sha256": thread.sha256,
        "warnings": list(thread.warnings),
        "gaps": list(thread.gaps),
    }
    reading = thread.reading
    if reading is not None:
        found["reading"] = {
            "format": reading.format,
            "layout": reading.layout,
            "reason": reading.reason,
            "confidence": reading.confidence,
            "runner_up": reading.runner_up,
            "dropped": dict(reading.dropped),
        }
    return found | {"posts": [_post_to_json(post) for post in thread.posts]}


def write_thread(thread: Thread, path: Path | str) -> None:
    """Write the thread as JSON, all of it or, with a StanceError, nothing."""
    content = json.dumps(thread_to_json(thread), ensure_ascii=False, indent=1) + "\n"
    with open_replacing(path) as file:
        file.write(content.encode("utf-8"))


def write_threads(threads: Iterable[Thread], path: Path | str) -> None:
    """Write threads by what the path ends in: .jsonl one a line, .json a single one, else as a ConvoKit folder."""
    path = Path(path)
    if path.suffix.lower() == ".jsonl":
        with open_replacing(path) as file:
            for thread in threads:
                file.write((json.dumps(thread_to_json(thread), ensure_ascii=False) + "\n").encode("utf-8"))
    elif path.suffix.lower() == ".json":
        first, *others = itertools.islice(threads, 2)
        if others:
            raise StanceError(f"{path}: several threads: write them as .jsonl, or into a ConvoKit folder")
        write_thread(first, path)
    else:
        from stance.read.corpus import write_corpus

        write_corpus(threads, path)


def _post_to_json(post: Post) -> dict[str, object]:
    return {
        "number": post.number,
        "author": post.author,
        "time": post.time.isoformat().replace("+00:00", "Z") if post.time else None,
        "body": post.body,
        "quotes": [{"start": quote.start, "end": quote.end, "source": quote.source} for quote in post.quotes],
        "reply_to": post.reply_to,
        "reply_basis": post.reply_basis,
        "replies": [{"to": reply.to, "basis": reply.basis, "confidence": reply.confidence} for reply in post.replies],
        "language": post.language,
        "confidence": post.confidence,
    }


def _find_gaps(posts: Iterable[Post]) -> tuple[str, ...]:
    """The numbers between one post's and the next's where they rise."""
    numbers = [int(post.number) for post in posts if post.number and post.number.isascii() and post.number.isdecimal()]
    return tuple(
        str(missing)
        for before, after in itertools.pairwise(numbers)
        if after - before - 1 <= MAXIMUM_GAP
        for missing in range(before + 1, after)
    )
