"""Comments of an export to a loose thread: ids made unique, parents and quoted posts looked up, oddities counted.

Each reader of an export fills a `Draft`, comment by comment in file order, and calls `finish`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from stance.read.markup import Marked, MarkedQuote, link_quotes, read_markup, read_name
from stance.read.rows import find_parents, repair_surrogates
from stance.read.times import from_epoch, parse_time
from stance.records import Post, Reading, Reply, Thread

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

NO_NAMES = frozenset(("[deleted]", "[removed]", "anonymous", "avatar"))  # shown where the source has no name
REMOVED = frozenset(("[deleted]", "[removed]", "[deleted by user]", "[ removed by reddit ]"))  # in place of a text

# What `notes` counts, as it follows "3 comments".
DELETED = "deleted or removed: kept without a name, for the answers to them"
WITHOUT_TEXT = "whose text is no text: left empty"
WITHOUT_SHAPE = "that cannot be read: left out"
TIMELESS = "whose time cannot be read: left without one"
REPEATED = "with an id that another has: given a new one"
ABSENT = "not in the file: the site loads them later"


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment, what it answers still an id."""

    id: str | None
    body: str
    author: str | None = None
    time: datetime | None = None
    number: str | None = None
    parent: str | None = None
    quotes: tuple[MarkedQuote, ...] = ()
    removed: bool = False  # the source says so


@dataclass(slots=True)
class Draft:
    """A thread while its comments are read."""

    id: str | None = None  # the source's own
    title: str | None = None
    article: str | None = None
    notes: Counter[str] = field(default_factory=Counter)  # oddities of comments -> how many have them
    dropped: Counter[str] = field(default_factory=Counter)  # kinds of what was left out -> how many
    warnings: list[str] = field(default_factory=list)  # about the file, beside the notes
    quotable: dict[str, int] | None = None  # what quotes name posts by -> position; None: by id
    posts: list[Post] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)  # of the items that cannot be read, the place among all, from 1
    _parents: list[str | None] = field(default_factory=list)
    _quotes: list[tuple[MarkedQuote, ...]] = field(default_factory=list)
    _positions: dict[str, int] = field(default_factory=dict)

    def add(self, comment: Comment) -> str:
        """Keep a comment; its id in the thread, which is a new one if another comment has its own."""
        position = len(self.posts)
        name = str(position) if comment.id is None else comment.id
        if name in self._positions:
            self.notes[REPEATED] += comment.id is not None
            name = f"{name}-{position}"
            while name in self._positions:
                name += "-"
        self._positions[name] = position
        author = comment.author
        if comment.removed or comment.body.strip().casefold() in REMOVED:
            self.notes[DELETED] += 1
            author = None
        self.posts.append(Post(id=name, body=comment.body, number=comment.number, author=author, time=comment.time))
        self._parents.append(comment.parent)
        self._quotes.append(comment.quotes)
        return name

    def leave_out(self, place: int | None = None) -> None:
        """Count an item that is no comment; its place in the list of all is that in which it comes up."""
        self.notes[WITHOUT_SHAPE] += 1
        self.unread.append(place or len(self.posts) + len(self.unread) + self.dropped.total() + 1)

    def finish(self, path: Path, form: str, reason: str) -> Thread:
        """The thread of all comments, with a warning for each oddity."""
        links = find_parents(self._positions, self._parents)
        posts = [
            post if parent is None else replace(post, replies=(Reply(parent, "markup"),))
            for post, parent in zip(self.posts, links.to, strict=True)
        ]
        notes = self.notes + Counter(
            {
                "answering one that is not in the file: left open": len(links.missing),
                "in a circle of answers: the link that closes it is left out": len(links.circular),
            }
        )
        warnings = list(self.warnings)
        warnings += [f"{count} comment{'' if count == 1 else 's'} {what}" for what, count in notes.items()]
        if self.dropped:
            warnings.append("left out: " + ", ".join(f"{what} ({count})" for what, count in self.dropped.items()))
        if not posts:
            warnings.append("no comments found: the export has none")
        quotable = self._positions if self.quotable is None else self.quotable
        return Thread(
            id=self.id or path.stem,
            source=str(path),
            sha256=None,
            title=self.title,
            article=self.article,
            blurb=None,
            posts=link_quotes(posts, self._quotes, quotable, self.id),
            warnings=tuple(warnings),
            reading=Reading(form, form, reason, 1.0, dropped=tuple(self.dropped.items())),
        )

    def take_body(self, value: object) -> str:
        """A comment's plain text; empty, and counted, where the field holds no text."""
        text = take_text(value)
        if text is None and value is not None:
            self.notes[WITHOUT_TEXT] += 1
        return text or ""

    def take_markup(self, value: object, keep_lines: bool = False) -> Marked:
        """A comment's HTML, read."""
        return read_markup(self.take_body(value), keep_lines)

    def take_time(self, value: object) -> datetime | None:
        """A time, be it text or a number; what is none is counted."""
        time = parse_time(value) if isinstance(value, str) else from_epoch(value)
        if time is None and value not in (None, ""):
            self.notes[TIMELESS] += 1
        return time


def take_text(value: object) -> str | None:
    """A text, or a number as text. None for all else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return repair_surrogates(str(value)).replace("\0", "\ufffd")


def take_name(value: object) -> str | None:
    """A name as printed; None where it only says that there is none."""
    name: str | None = read_name(take_text(value))
    return None if name is None or name.casefold() in NO_NAMES else name


def take_title(value: object) -> str | None:
    """A text on one line; None where nothing is left."""
    return " ".join((take_text(value) or "").split()) or None


def take_dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def take_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def keep_dicts(values: list[Any], draft: Draft) -> list[dict[str, Any]]:
    """The objects of a list; what is none is counted."""
    for place, value in enumerate(values, start=1):
        if not isinstance(value, dict):
            draft.leave_out(place)
    return [value for value in values if isinstance(value, dict)]
